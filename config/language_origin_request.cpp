// The fields of a behavior's `origin_request`.
#include "config/language.h"

#include "config/field_template.h"
#include "http/ascii.h"
#include "http/forwarding.h"
#include "http/name_set.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

using Rules = OriginRequestRules;

constexpr std::string_view kTokenPattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

// Those that frame a message, that make it conditional or partial, or that the proxy writes by rules of their own.
bool is_ours(std::string_view name) {
    static constexpr http::NameSet kOurs{"Host",
                                         "Content-Length",
                                         "Expect",
                                         "Range",
                                         "Via",
                                         "If-Range",
                                         "Forwarded",
                                         "Cookie",
                                         "X-Forwarded-For",
                                         "X-Forwarded-Host",
                                         "X-Forwarded-Proto"};
    const bool is_condition = name.size() > 3 && http::iequals(name.substr(0, 3), "If-");
    return is_condition || http::is_hop_by_hop(name) || kOurs.contains(name);
}

bool is_settable(std::string_view name) { return http::is_token(name) && !is_ours(name); }

bool is_one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7F;
    });
}

bool is_template_value(std::string_view text) { return is_field_template(text) && is_one_line(text); }

// The template that gives this very text.
std::string as_template(std::string_view text) {
    std::string out;
    for (const char c : text) out.append(c == '{' ? 2 : 1, c);
    return out;
}

constexpr TextRule kSettable{"a field name that is not one of the proxy's own, such as Host or Content-Length",
                             is_settable, kTokenPattern};

Field<Rules> set_field() {
    static constexpr TextRule kValue{
        "a value of one line, in which {client_ip}, {scheme}, {host}, {method}, {path} and {query} may stand",
        is_template_value};
    static constexpr TextRule kSecret{"a value of one line", is_one_line};
    Field<Rules> field;
    field.description = {
        "set", "field lines by name", "not set",
        "Fields that the origin gets with this value, whatever the client sent; {client_ip}, {scheme}, "
        "{host}, {method}, {path} and {query} may stand in it, and {{ is a brace.",
        "a mapping from field names to a value"};
    field.description.form.kind = ValueForm::Kind::HeaderLines;
    field.description.form.pattern = kTokenPattern;
    field.read = [](const Spot& spot, Findings& findings, Rules& out) {
        const DocumentNode::Kind kind = spot.node->kind;
        if (kind != DocumentNode::Kind::Mapping && kind != DocumentNode::Kind::Nothing) {
            findings.expected(spot, "a mapping from field names to values");
            return;
        }
        for (const MemberSpot& line : unique_members(spot, findings)) {
            if (!is_settable(line.key)) {
                findings.problem(line.key_place, line.value.path,
                                 "expected " + std::string(kSettable.expected) + "; found " + quote(line.key));
            } else if (line.value.node->secret) {
                // What comes out of a file is taken as it is.
                if (auto value = read_text(line.value, findings, kSecret)) {
                    out.set.push_back({line.key, as_template(*value)});
                }
            } else if (auto value = read_text(line.value, findings, kValue)) {
                out.set.push_back({line.key, std::move(*value)});
            }
        }
        findings.accept(spot);
    };
    return field;
}

// The fields of one mapping among those of another.
template <class T, class Inner, class Get>
void add_fields(Record<T>& out, const Record<Inner>& fields, Get get) {
    for (const Field<Inner>& field : fields) {
        Field<T>& added = out.emplace_back();
        added.description = field.description;
        added.read = [read = field.read, get](const Spot& spot, Findings& findings, T& policy) {
            read(spot, findings, std::invoke(get, policy));
        };
    }
}

} // namespace

const Record<OriginRequestRules>& origin_request_fields() {
    static const SelectionRule kHeaders{true, true, true, {"a field name, with `*` only at its end", is_field_name}};
    static const Record<Rules> kFields{
        selection<Rules>(
            {"headers", "Which fields of the client the origin gets, of a request that may be answered from "
                        "the cache; those that the key has, and those of the content, it always gets."},
            &Rules::headers, kHeaders, "all"),
        set_field(),
        texts<Rules>({"remove", "Fields that the origin never gets."}, &Rules::remove, kSettable),
    };
    return kFields;
}

const Record<ForwardOnly>& forward_only_fields() {
    static const SelectionRule kNames{true, true, true, {"a name, with `*` only at its end", is_parameter_name}};
    static const Record<ForwardOnly> kFields{
        selection<ForwardOnly>(
            {"query_strings", "Which query parameters the origin gets although the key does not have "
                              "them: what it makes of them goes to everybody."},
            &ForwardOnly::query_strings, kNames, "none"),
        selection<ForwardOnly>(
            {"cookies", "Which cookies the origin gets although the key does not have them; its answer is "
                        "then stored only for a lifetime that it names itself."},
            &ForwardOnly::cookies, kNames, "none"),
    };
    return kFields;
}

const Record<OriginRequestPolicy>& origin_request_policy_fields() {
    static const Record<OriginRequestPolicy> kFields = [] {
        Record<OriginRequestPolicy> fields;
        add_fields(fields, origin_request_fields(), &OriginRequestPolicy::rules);
        add_fields(fields, forward_only_fields(), &OriginRequestPolicy::beside);
        fields.push_back(choice<OriginRequestPolicy>(
            {"host",
             "Which Host the origin gets where the behavior does not say: its own, or the one the viewer sent."},
            &OriginRequestPolicy::viewer_host,
            std::vector<std::pair<std::string, bool>>{{"origin", false}, {"viewer", true}}));
        return fields;
    }();
    return kFields;
}

} // namespace gatehouse::config
