// The fields of a behavior and of a cache policy that say what clients get to see of a response, and which of the
// origin's prohibitions are taken back.
#include "config/language.h"

#include "config/header_values.h"
#include "http/ascii.h"

namespace gatehouse::config {
namespace {

struct OverrideWord {
    std::string_view word;
    bool Overrides::*flag;
};
constexpr OverrideWord kOverrides[] = {{"no-store", &Overrides::no_store},
                                       {"private", &Overrides::is_private},
                                       {"no-cache", &Overrides::no_cache},
                                       {"set-cookie", &Overrides::set_cookie},
                                       {"authorization", &Overrides::authorization}};

const OverrideWord* find_override(std::string_view word) {
    const auto* found = std::find_if(std::begin(kOverrides), std::end(kOverrides),
                                     [word](const OverrideWord& known) { return known.word == word; });
    return found == std::end(kOverrides) ? nullptr : found;
}

constexpr std::size_t kLongestFieldValue = 4096;
constexpr DurationRange kPreflightAge{Milliseconds(0), Milliseconds(std::chrono::hours(24))};
constexpr DurationRange kHstsAge{Milliseconds(0), kOneHundredYears};

bool is_long_value(std::string_view text) { return http::is_field_value(text) && text.size() <= kLongestFieldValue; }
bool is_frame_option(std::string_view text) { return text == "DENY" || text == "SAMEORIGIN"; }
bool is_method_or_all(std::string_view text) { return http::is_token(text); }
bool is_name_or_star(std::string_view text) { return text == "*" || http::is_token(text); }

constexpr TextRule kContentSecurity{"a field value of at most 4096 characters", is_long_value};
constexpr std::string_view kReferrerPolicies[] = {
    "no-referrer",   "no-referrer-when-downgrade",      "origin",    "origin-when-cross-origin", "same-origin",
    "strict-origin", "strict-origin-when-cross-origin", "unsafe-url"};
bool is_referrer_policy(std::string_view text) {
    return std::find(std::begin(kReferrerPolicies), std::end(kReferrerPolicies), text) != std::end(kReferrerPolicies);
}
constexpr TextRule kReferrer{"no-referrer, no-referrer-when-downgrade, origin, origin-when-cross-origin, same-origin, "
                             "strict-origin, strict-origin-when-cross-origin or unsafe-url",
                             is_referrer_policy};

// A mapping that is in force because it is there.
template <class T, class Get, class Inner>
Field<T> block(Name name, Get get, const Record<Inner>& fields) {
    Field<T> field = mapping<T>(std::move(name), get, fields);
    const auto read_fields = field.read;
    field.read = [get, read_fields](const Spot& spot, Findings& findings, T& out) {
        std::invoke(get, out).configured = true;
        read_fields(spot, findings, out);
    };
    return field;
}

template <class T>
Field<T> client_cache_control(ClientCacheControl T::*member, std::string sentence) {
    Field<T> field;
    field.description = {"client_cache_control", "cache control", "not set", std::move(sentence),
                         "a value of Cache-Control, pass, or {value: .., when_status: {404: .., 5xx: ..}}"};
    field.description.form.kind = ValueForm::Kind::CacheControl;
    field.read = [member](const Spot& spot, Findings& findings, T& out) {
        if (auto value = read_client_cache_control(spot, findings)) out.*member = std::move(*value);
    };
    return field;
}

template <class T>
Field<T> field_lines(Name name, std::vector<FieldLine> T::*member) {
    Field<T> field;
    field.description = {name.name, "field lines by name", "{}", name.sentence,
                         "a mapping from field names to values or lists of values"};
    field.description.form.kind = ValueForm::Kind::HeaderLines;
    field.description.form.pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
    field.read = [member](const Spot& spot, Findings& findings, T& out) {
        if (auto lines = read_field_lines(spot, findings)) out.*member = std::move(*lines);
    };
    return field;
}

Field<ResponseHeadersPolicy> remove_field() {
    static constexpr TextRule kName{"a field name, with `*` only at its end", is_field_name};
    Field<ResponseHeadersPolicy> field =
        texts<ResponseHeadersPolicy>({"remove", "Fields of the origin that clients do not get; a field that is set "
                                                "as well is there."},
                                     &ResponseHeadersPolicy::remove, kName);
    field.read = [](const Spot& spot, Findings& findings, ResponseHeadersPolicy& out) {
        auto names = read_texts(spot, findings, kName);
        if (!names) return;
        const std::vector<Spot> items = item_spots(spot);
        for (std::size_t i = 0; i < names->size(); ++i) {
            const std::string& name = (*names)[i];
            const std::string_view why = name.ends_with('*') ? std::string_view() : field_owner(name);
            if (why.empty()) continue;
            findings.fail(items[i], "a headers policy cannot remove " + name + ": " + std::string(why));
        }
        out.remove = std::move(*names);
    };
    return field;
}

Field<ResponseHeadersPolicy> status_field() {
    Field<ResponseHeadersPolicy> field = texts<ResponseHeadersPolicy>(
        {"status", "Only answers with one of these statuses; an empty list: all."}, &ResponseHeadersPolicy::statuses,
        {"a status from 200 to 599 or a class from 2xx to 5xx", is_status_pattern});
    field.description.form = ranged_form(ValueForm::Kind::Statuses, {200, 599});
    field.description.form.pattern = "^[2-5]([0-9][0-9]|xx)$";
    return field;
}

// `when`: its members stand in the policy itself.
const Record<ResponseHeadersPolicy>& when_fields() {
    static const Record<ResponseHeadersPolicy> kFields{
        status_field(),
        texts<ResponseHeadersPolicy>({"content_type", "Only answers with one of these content types; an empty list: "
                                                      "all."},
                                     &ResponseHeadersPolicy::content_types,
                                     {"a content type such as text/html or text/*", is_content_type_pattern}),
    };
    return kFields;
}

Field<ResponseHeadersPolicy> when_field() {
    Field<ResponseHeadersPolicy> field;
    field.description = {"when",
                         "mapping",
                         "",
                         "Which answers the policy is for; each of the two has to hold.",
                         "the fields below",
                         FieldShape::Mapping};
    field.inner = flatten(when_fields(), ".");
    field.read = [](const Spot& spot, Findings& findings, ResponseHeadersPolicy& out) {
        read_record(spot, findings, when_fields(), out);
    };
    return field;
}

const Record<Cors>& cors_fields() {
    static const Record<Cors> kFields{
        required(texts<Cors>({"allow_origins", "Who may read the answer: origins, with `*` for the first label of "
                                               "their host, or `*` for everybody."},
                             &Cors::allow_origins,
                             {"an origin such as https://www.example.org or *.example.org, or *", is_origin_pattern})),
        texts<Cors>({"allow_methods", "The methods a preflight allows; ALL stands for the seven that CloudFront "
                                      "knows."},
                    &Cors::allow_methods, {"a method, or ALL", is_method_or_all}),
        texts<Cors>({"allow_headers", "The request fields a preflight allows; `*` does not cover Authorization."},
                    &Cors::allow_headers, {"a field name, or *", is_name_or_star}),
        texts<Cors>({"expose_headers", "The response fields that scripts may read."}, &Cors::expose_headers,
                    {"a field name, or *", is_name_or_star}),
        boolean<Cors>({"allow_credentials", "Whether cookies and Authorization may be sent; then nothing may be `*`."},
                      &Cors::allow_credentials),
        choice<Cors>({"preflights", "Who answers preflights: the origin, or this proxy at once, with 204."},
                     &Cors::answers_preflights,
                     std::vector<std::pair<std::string, bool>>{{"forward", false}, {"answer", true}}),
        duration<Cors>({"max_age", "How long browsers keep the answer to a preflight."}, &Cors::max_age, kPreflightAge),
        boolean<Cors>({"override", "Whether these take the place of the origin's; false: they are sent where the "
                                   "origin sends no CORS field at all."},
                      &Cors::overrides),
    };
    return kFields;
}

const Record<SecurityHeaders::Hsts>& hsts_fields() {
    using Hsts = SecurityHeaders::Hsts;
    static const Record<Hsts> kFields{
        duration<Hsts>({"max_age", "How long browsers come back by HTTPS only."}, &Hsts::max_age, kHstsAge),
        boolean<Hsts>({"include_subdomains", "Whether that goes for the hosts below, too."}, &Hsts::include_subdomains),
        boolean<Hsts>({"preload", "Whether browsers may have it built in."}, &Hsts::preload),
        boolean<Hsts>({"override", "Whether it takes the place of the origin's."}, &Hsts::overrides),
    };
    return kFields;
}

Record<SecurityHeaders::Text> security_text_fields(const TextRule& rule, std::string sentence) {
    using Text = SecurityHeaders::Text;
    return {required(text<Text>({"value", std::move(sentence)}, &Text::value, rule, "")),
            boolean<Text>({"override", "Whether it takes the place of the origin's."}, &Text::overrides)};
}

const Record<SecurityHeaders::TypeOptions>& type_options_fields() {
    using TypeOptions = SecurityHeaders::TypeOptions;
    static const Record<TypeOptions> kFields{
        boolean<TypeOptions>({"override", "Whether it takes the place of the origin's."}, &TypeOptions::overrides),
    };
    return kFields;
}

const Record<SecurityHeaders::XssProtection>& xss_fields() {
    using Xss = SecurityHeaders::XssProtection;
    static const Record<Xss> kFields{
        boolean<Xss>({"protection", "Whether the filter is on (1) or off (0)."}, &Xss::protection),
        boolean<Xss>({"mode_block", "Whether the page is not shown at all."}, &Xss::mode_block),
        text<Xss>({"report_uri", "Where browsers report; not with mode_block."}, &Xss::report_uri,
                  {"a URL", http::is_field_value}, "not set"),
        boolean<Xss>({"override", "Whether it takes the place of the origin's."}, &Xss::overrides),
    };
    return kFields;
}

const Record<SecurityHeaders>& security_fields() {
    using Text = SecurityHeaders::Text;
    static const Record<Text> kContentSecurityFields = security_text_fields(kContentSecurity, "The policy.");
    static const Record<Text> kFrameFields =
        security_text_fields({"DENY or SAMEORIGIN", is_frame_option}, "Who may show the page in a frame.");
    static const Record<Text> kReferrerFields = security_text_fields(kReferrer, "What browsers tell other sites.");
    static const Record<SecurityHeaders> kFields{
        block<SecurityHeaders>({"strict_transport_security", "Strict-Transport-Security (RFC 6797)."},
                               &SecurityHeaders::strict_transport_security, hsts_fields()),
        mapping<SecurityHeaders>({"content_security_policy", "Content-Security-Policy."},
                                 &SecurityHeaders::content_security_policy, kContentSecurityFields),
        block<SecurityHeaders>({"content_type_options", "X-Content-Type-Options: nosniff."},
                               &SecurityHeaders::content_type_options, type_options_fields()),
        mapping<SecurityHeaders>({"frame_options", "X-Frame-Options."}, &SecurityHeaders::frame_options, kFrameFields),
        mapping<SecurityHeaders>({"referrer_policy", "Referrer-Policy."}, &SecurityHeaders::referrer_policy,
                                 kReferrerFields),
        block<SecurityHeaders>({"xss_protection", "X-XSS-Protection, which only old browsers know."},
                               &SecurityHeaders::xss_protection, xss_fields()),
    };
    return kFields;
}

} // namespace

Field<Behavior> behavior_client_cache_control() {
    return client_cache_control<Behavior>(
        &Behavior::client_cache_control,
        "The Cache-Control that clients get instead of the origin's, with Date of now and no Age. A value is for "
        "answers with status 200, 203, 206, 301, 308 and 304 that may be stored; others are named by when_status.");
}

Field<Behavior> etag_field() {
    return choice<Behavior>(
        {"etag", "What becomes of ETag: as the origin sends it; made of the content where the origin sends none that "
                 "is valid; weakened; or removed."},
        &Behavior::etag,
        std::vector<std::pair<std::string, EtagRule>>{{"keep", EtagRule::Keep},
                                                      {"generate", EtagRule::Generate},
                                                      {"weaken", EtagRule::Weaken},
                                                      {"remove", EtagRule::Remove}});
}

Field<Behavior> response_headers_policy_field() {
    static constexpr TextRule kName{"the name of a response headers policy"};
    Field<Behavior> field;
    field.description = {"response_headers_policy", "name or names", "not set",
                         "The response headers policies, own or built-in ones, that apply one after the other.",
                         "the name of a response headers policy, or a list of at most 8 names"};
    field.description.form.kind = ValueForm::Kind::Names;
    field.read = [](const Spot& spot, Findings& findings, Behavior& out) {
        if (spot.node->kind != DocumentNode::Kind::List) {
            if (auto name = read_text(spot, findings, kName)) out.response_headers_policies = {std::move(*name)};
            return;
        }
        auto names = read_texts(spot, findings, kName);
        if (!names) return;
        if (names->size() > kMostHeadersPolicies) {
            findings.fail(spot, "more than " + std::to_string(kMostHeadersPolicies) + " response headers policies");
            return;
        }
        out.response_headers_policies = std::move(*names);
    };
    return field;
}

const Record<ResponseHeadersPolicy>& response_headers_policy_fields() {
    static const Record<ResponseHeadersPolicy> kFields{
        when_field(),
        remove_field(),
        field_lines<ResponseHeadersPolicy>({"set", "Fields that clients get instead of the origin's."},
                                           &ResponseHeadersPolicy::set),
        field_lines<ResponseHeadersPolicy>({"add", "Fields that clients get beside the origin's."},
                                           &ResponseHeadersPolicy::add),
        field_lines<ResponseHeadersPolicy>({"default", "Fields that clients get where the origin sends none."},
                                           &ResponseHeadersPolicy::when_absent),
        block<ResponseHeadersPolicy>({"cors", "Which scripts of other origins may use the answers."},
                                     &ResponseHeadersPolicy::cors, cors_fields()),
        mapping<ResponseHeadersPolicy>({"security", "What browsers are to guard against; each is sent where it is "
                                                    "given."},
                                       &ResponseHeadersPolicy::security, security_fields()),
        client_cache_control<ResponseHeadersPolicy>(
            &ResponseHeadersPolicy::client_cache_control,
            "The client_cache_control of behaviors that use this policy and have none of their own."),
    };
    return kFields;
}

Field<CachePolicy> override_field() {
    static constexpr TextRule kWord{"no-store, private, no-cache, set-cookie or authorization",
                                    [](std::string_view word) { return find_override(word) != nullptr; }};
    Field<CachePolicy> field;
    field.description = {"override", "list", "[]",
                         "Which prohibitions are not obeyed, named one by one: these directives of the response, its "
                         "Set-Cookie, and the request's Authorization. What was meant for one client is then shared "
                         "with all.",
                         "a list, each item " + std::string(kWord.expected)};
    field.description.form.kind = ValueForm::Kind::Texts;
    field.description.form.pattern = "^(no-store|private|no-cache|set-cookie|authorization)$";
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto words = read_texts(spot, findings, kWord);
        if (!words) return;
        for (const std::string& word : *words) out.overrides.*(find_override(word)->flag) = true;
    };
    return field;
}

} // namespace gatehouse::config
