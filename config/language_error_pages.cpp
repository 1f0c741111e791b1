// A behavior's `error_pages`.
#include "config/language.h"

#include "http/ascii.h"
#include "http/target.h"

namespace gatehouse::config {
namespace {

constexpr std::string_view kPagePattern = "^/([!-\"$&-~]|%[0-9A-Fa-f]{2})*$";
constexpr std::string_view kPagesExpected =
    "a mapping from statuses to pages such as {404: {page: /404.html}, 5xx: {page: /sorry.html}}";

// A path that a client could ask for.
bool is_page(std::string_view text) {
    if (!text.starts_with('/')) return false;
    http::RequestHead head;
    head.method = "GET";
    head.target = text;
    head.fields.add("Host", "page.invalid");
    return http::parse_target(head, "http", "").ok();
}

// A status that needs neither a field nor a lack of content that a page does not have.
bool is_sent_with_page(std::uint64_t status) {
    return status == 200 || (status >= 400 && status <= 599 && status != 412 && status != 416);
}

Field<ErrorPage> status_field() {
    static constexpr std::string_view kAccepted = "200, or 400 to 599 without 412 and 416";
    Field<ErrorPage> field;
    field.description = {"status", "whole number", "that of the error", "The status the page is sent with.",
                         std::string(kAccepted)};
    field.read = [](const Spot& spot, Findings& findings, ErrorPage& out) {
        const auto text = read_scalar(spot, findings, kAccepted);
        if (!text) return;
        const auto value = http::parse_digits(*text);
        if (!value || !is_sent_with_page(*value)) {
            findings.expected(spot, kAccepted);
            return;
        }
        findings.accept(spot);
        out.status = static_cast<int>(*value);
    };
    return field;
}

const Record<ErrorPage>& error_page_fields() {
    static const Record<ErrorPage> kFields{
        required(text<ErrorPage>({"page", "The path of the page."}, &ErrorPage::page,
                                 {"a path such as /index.html, with its query where it has one; what is not ASCII, and "
                                  "spaces, percent-encoded such as /a%20b.html",
                                  is_page, kPagePattern},
                                 "")),
        status_field(),
    };
    return kFields;
}

} // namespace

Field<Behavior> error_pages_field() {
    Field<Behavior> field;
    field.description = {
        "error_pages", "pages by status", "not set",
        "What a client gets instead of an error: another path of the same host, asked for through the "
        "behaviors and the cache like any request, with the status of the error or the one that is "
        "given. An exact status wins over its class; 412 and 416 are never replaced.",
        "a mapping from 400 to 599, 4xx or 5xx to {page: /path, status: 200}; status may be left out, or "
        "is 200 or 400 to 599"};
    field.description.form.kind = ValueForm::Kind::ErrorPages;
    field.description.form.pattern = kPagePattern;
    field.read = [](const Spot& spot, Findings& findings, Behavior& out) {
        if (spot.node->kind != DocumentNode::Kind::Mapping && spot.node->kind != DocumentNode::Kind::Nothing) {
            findings.expected(spot, kPagesExpected);
            return;
        }
        for (const MemberSpot& member : unique_members(spot, findings)) {
            const bool is_class = member.key == "4xx" || member.key == "5xx";
            if (!is_error_status(member.key) || member.key == "412" || member.key == "416") {
                findings.problem(
                    member.key_place, member.value.path,
                    "expected a status from 400 to 599 without 412 and 416, 4xx or 5xx; found " + quote(member.key));
                continue;
            }
            if (!expect_mapping(member.value, findings, "a mapping with page such as {page: /404.html}")) continue;
            auto& pages = is_class ? out.error_pages.by_class : out.error_pages.by_status;
            ErrorPage& page = pages[is_class ? member.key[0] - '0' : std::stoi(member.key)];
            read_record(member.value, findings, error_page_fields(), page);
        }
        findings.accept(spot);
    };
    return field;
}

} // namespace gatehouse::config
