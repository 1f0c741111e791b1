// The fields of `tests`.
#include "config/language.h"

#include "http/ascii.h"
#include "http/result.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gatehouse::config {
namespace {

using Source = TestExpectation::Source;

constexpr std::string_view kTokenPattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
constexpr TextRule kFieldName{"a field name", http::is_token, kTokenPattern};
constexpr TextRule kMethod{"a method such as GET", http::is_token, kTokenPattern};

bool is_field_value(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7F;
    });
}

bool is_url(std::string_view text) {
    return text.starts_with('/') || text == "*" || text.starts_with("http://") || text.starts_with("https://");
}

bool is_origin_error(std::string_view text) {
    for (int kind = 0; kind <= static_cast<int>(http::ErrorKind::Internal); ++kind) {
        const auto one = static_cast<http::ErrorKind>(kind);
        if (http::source_of(one) == http::ErrorSource::Upstream && http::to_string(one) == text) return true;
    }
    return false;
}

// A mapping from names to a value, or to a list of values for a field of several lines.
template <class T>
Field<T> header_lines(Name name, std::vector<HeaderLine> T::*member) {
    static constexpr TextRule kValue{"a field value of one line", is_field_value};
    Field<T> field;
    field.description = {name.name, "field lines by name", "not set", name.sentence,
                         "a mapping from field names to a value, or to a list of values"};
    field.description.form.kind = ValueForm::Kind::HeaderLines;
    field.description.form.pattern = kTokenPattern;
    field.read = [member](const Spot& spot, Findings& findings, T& out) {
        const DocumentNode::Kind kind = spot.node->kind;
        if (kind != DocumentNode::Kind::Mapping && kind != DocumentNode::Kind::Nothing) {
            findings.expected(spot, "a mapping from field names to values");
            return;
        }
        for (const MemberSpot& line : unique_members(spot, findings)) {
            if (!http::is_token(line.key)) {
                findings.problem(line.key_place, line.value.path, "expected a field name; found " + quote(line.key));
                continue;
            }
            if (line.value.node->kind == DocumentNode::Kind::List) {
                for (std::string& value :
                     read_texts(line.value, findings, kValue).value_or(std::vector<std::string>())) {
                    (out.*member).push_back({line.key, std::move(value)});
                }
            } else if (auto value = read_text(line.value, findings, kValue)) {
                (out.*member).push_back({line.key, std::move(*value)});
            }
        }
        findings.accept(spot);
    };
    return field;
}

template <class T>
Field<T> patterns(Name name, std::vector<NamePattern> T::*member) {
    Field<T> field;
    field.description = {name.name, "patterns by name", "not set", name.sentence,
                         "a mapping from a field name to a pattern, `*` for any run of characters"};
    field.description.form.kind = ValueForm::Kind::NamePatterns;
    field.description.form.pattern = kTokenPattern;
    field.read = [member](const Spot& spot, Findings& findings, T& out) {
        if (auto value = read_name_patterns(spot, findings, kFieldName)) out.*member = std::move(*value);
    };
    return field;
}

template <class T>
Field<T> optional_boolean(Name name, std::optional<bool> T::*member) {
    Field<T> field;
    field.description = {name.name, "boolean", "not set", name.sentence, "true or false"};
    field.description.form.kind = ValueForm::Kind::Boolean;
    field.read = [member](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_switch(spot, findings)) out.*member = *value;
    };
    return field;
}

template <class T, class Member>
Field<T> status(Name name, Member T::*member, std::string default_words) {
    constexpr NumberRange kRange{100, 599};
    Field<T> field;
    field.description = {name.name, "whole number", std::move(default_words), name.sentence, "100 to 599"};
    field.description.form = ranged_form(ValueForm::Kind::Number, kRange);
    field.read = [member, kRange](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_count(spot, findings, kRange)) out.*member = static_cast<int>(*value);
    };
    return field;
}

const Record<TestRequest>& request_fields() {
    static const Record<TestRequest> kFields{
        text<TestRequest>({"method", "Its method."}, &TestRequest::method, kMethod, "GET"),
        text<TestRequest>({"url", "Its path and query, or a whole URL where the host matters; without one the host is "
                                  "`test.invalid`."},
                          &TestRequest::url, {"a path such as /v1/items?page=2, or a URL", is_url}, "not set"),
        header_lines({"headers", "Its fields."}, &TestRequest::headers),
        text<TestRequest>({"body", "Its content."}, &TestRequest::body, {"text"}, "not set"),
    };
    return kFields;
}

// Of a response, and of what is one and more.
template <class T>
Record<T> response_record() {
    return {
        status<T, int>({"status", "Its status."}, &T::status, "200"),
        header_lines<T>({"headers", "Its fields; Date is the time of the test where it is not given."}, &T::headers),
        text<T>({"body", "Its content."}, &T::body, {"text"}, "not set"),
        text<T>({"error", "What goes wrong instead."}, &T::error,
                {"an error of an origin such as connection_refused, dns_error or response_timeout", is_origin_error},
                "not set"),
        duration<T>({"delay", "How long the origin takes; the step ends when it has answered, whenever the client has "
                              "its answer. Longer than first_byte_timeout is a response_timeout."},
                    &T::delay, {Milliseconds(0), kOneDay}),
    };
}

const Record<TestResponse>& response_fields() {
    static const Record<TestResponse> kFields = response_record<TestResponse>();
    return kFields;
}

const Record<TestPage>& page_fields() {
    static const Record<TestPage> kFields = [] {
        Record<TestPage> fields = response_record<TestPage>();
        fields.insert(
            fields.begin(),
            required(text<TestPage>(
                {"url", "The page, as error_pages has it."}, &TestPage::url,
                {"a path such as /index.html", [](std::string_view text) { return text.starts_with('/'); }}, "")));
        return fields;
    }();
    return kFields;
}

const Record<TestExpectation>& origin_expectation_fields() {
    using Expectation = TestExpectation;
    static const Record<Expectation> kFields{
        optional_boolean({"asked", "Whether it is asked at all."}, &Expectation::origin_asked),
        text<Expectation>({"url", "The path and query it is asked for."}, &Expectation::origin_url,
                          {"a path such as /prod/v1/items"}, "not set"),
        patterns({"headers", "The fields it gets."}, &Expectation::origin_headers),
        texts<Expectation>({"without_headers", "Fields it does not get."}, &Expectation::origin_without_headers,
                           kFieldName),
    };
    return kFields;
}

Field<TestExpectation> origin_expectation() {
    Field<TestExpectation> field;
    const Record<TestExpectation>& fields = origin_expectation_fields();
    field.description = {"origin",           "mapping",          "", "What the origin is expected to get.",
                         "the fields below", FieldShape::Mapping};
    field.inner = flatten(fields, ".");
    field.read = [&fields](const Spot& spot, Findings& findings, TestExpectation& out) {
        read_record(spot, findings, fields, out);
    };
    return field;
}

Field<TestExpectation> error_page_expectation() {
    Field<TestExpectation> field = status<TestExpectation>(
        {"error_page", "The status of the error in whose place the client gets a page, or none where it gets no page; "
                       "the status of the answer is `status`."},
        &TestExpectation::error_page, "not set");
    field.description.type = "whole number or none";
    field.description.accepted = "none, or " + field.description.accepted;
    field.description.form.words = {"none"};
    field.read = [read_status = field.read](const Spot& spot, Findings& findings, TestExpectation& out) {
        if (spot.node->kind == DocumentNode::Kind::Scalar && spot.node->scalar == "none") {
            findings.accept(spot);
            out.error_page = 0;
            return;
        }
        read_status(spot, findings, out);
    };
    return field;
}

const Record<TestExpectation>& expectation_fields() {
    using Expectation = TestExpectation;
    static const Record<Expectation> kFields{
        text<Expectation>({"behavior", "The path_pattern of the behavior that the request gets."},
                          &Expectation::behavior, {"a path pattern"}, "not set"),
        text<Expectation>({"key", "The cache key as Cache-Status shows it."}, &Expectation::key, {"a key"}, "not set"),
        choice<Expectation>({"cache", "Where the answer comes from: the cache while it is fresh or stale, the cache "
                                      "after the origin has validated it, the origin, or Gatehouse itself."},
                            &Expectation::cache,
                            std::vector<std::pair<std::string, Source>>{{"any", Source::Any},
                                                                        {"hit", Source::Hit},
                                                                        {"stale", Source::Stale},
                                                                        {"revalidated", Source::Revalidated},
                                                                        {"miss", Source::Miss},
                                                                        {"own", Source::Own}}),
        optional_boolean({"stored", "Whether the origin's answer is stored."}, &Expectation::stored),
        duration<Expectation>({"ttl", "How long the answer is fresh from now on, in whole seconds."}, &Expectation::ttl,
                              kLifetime),
        text<Expectation>({"reason", "Why it was not answered from the cache, or not stored: one of docs/METRICS.md."},
                          &Expectation::reason, {"a reason such as response_no_store"}, "not set"),
        status({"status", "The status that the client gets."}, &Expectation::status, "not set"),
        error_page_expectation(),
        patterns({"headers", "The fields that the client gets."}, &Expectation::headers),
        texts<Expectation>({"without_headers", "Fields that the client does not get."}, &Expectation::without_headers,
                           kFieldName),
        text<Expectation>({"body", "The content that the client gets."}, &Expectation::body, {"text"}, "not set"),
        origin_expectation(),
    };
    return kFields;
}

constexpr const char* kPages = "What their origin answers if error pages are asked for; a page that is not here is"
                               " answered with `response`, and one that is here has to be one of error_pages.";

const Record<TestStep>& step_fields() {
    static const Record<TestStep> kFields{
        duration<TestStep>({"after", "How much later this is than the step before it."}, &TestStep::after, kLifetime),
        mapping<TestStep>({"request", "What a client asks for."}, &TestStep::request, request_fields()),
        mapping<TestStep>({"response", "What the origin answers if it is asked."}, &TestStep::response,
                          response_fields()),
        list_of_mappings<TestStep>({"pages", kPages}, &TestStep::pages, page_fields()),
        mapping<TestStep>({"expect", "What has to come of it; only what is given is compared."}, &TestStep::expect,
                          expectation_fields()),
    };
    return kFields;
}

} // namespace

const Record<RuleTest>& test_fields() {
    static const Record<RuleTest> kFields{
        required(text<RuleTest>({"name", "What the test says of the rules."}, &RuleTest::name, {"a sentence"}, "")),
        mapping<RuleTest>({"request", "What a client asks for."}, at(&RuleTest::only, &TestStep::request),
                          request_fields()),
        mapping<RuleTest>({"response", "What the origin answers if it is asked."},
                          at(&RuleTest::only, &TestStep::response), response_fields()),
        list_of_mappings<RuleTest>({"pages", kPages}, at(&RuleTest::only, &TestStep::pages), page_fields()),
        mapping<RuleTest>({"expect", "What has to come of it; only what is given is compared."},
                          at(&RuleTest::only, &TestStep::expect), expectation_fields()),
        list_of_mappings<RuleTest>({"steps", "Several requests in a row instead of the one above."}, &RuleTest::steps,
                                   step_fields()),
    };
    return kFields;
}

} // namespace gatehouse::config
