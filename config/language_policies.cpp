// The fields of `cache_policies` and `behaviors`.
#include "config/language.h"

#include "http/ascii.h"

namespace gatehouse::config {
namespace {

constexpr std::size_t kLongestPattern = 255;
constexpr NumberRange kRefreshAhead{0, 100};
constexpr NumberRange kSliceSize{1024, 1024 * 1024 * 1024};
constexpr NumberRange kKeyedContent{1, kMiB}; // it is held in memory for each request that waits
constexpr TextRule kParameterName{"a name, with `*` only at its end", is_parameter_name,
                                  R"(^(?!$)[^\x00-\x20\x7F*]*\*?$)"};
constexpr TextRule kFieldName{"a field name, with `*` only at its end", is_field_name,
                              "^(?!$)[A-Za-z0-9!#$%&'+.^_`|~-]*\\*?$"};

// The characters that CloudFront accepts in a path pattern beside letters and digits.
constexpr std::string_view kPatternPunctuation = "_-.*$/~\"'@:+&?%=!,;()";
constexpr std::string_view kPatternExpected =
    "a pattern such as /api/* of at most 255 letters, digits and _-.*$/~\"'@:+&?%=!,;()";
constexpr std::string_view kPatternOfPatterns = "^[A-Za-z0-9_.*$/~\"'@:+&?%=!,;()-]{1,255}$";

bool is_path_pattern(std::string_view text) {
    if (text.size() > kLongestPattern) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        const char low = http::to_lower(c);
        const bool alphanumeric = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
        return alphanumeric || kPatternPunctuation.find(c) != std::string_view::npos;
    });
}

bool is_known_method(std::string_view text) {
    constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    return std::find(std::begin(kMethods), std::end(kMethods), text) != std::end(kMethods);
}

bool is_cacheable_method(std::string_view text) {
    return text == "GET" || text == "HEAD" || text == "POST" || text == "OPTIONS";
}

bool is_share_name(std::string_view text) { return printable_key(text) == text; }

constexpr std::string_view kToken = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

Field<CachePolicy> error_ttl_field() {
    Field<CachePolicy> field;
    field.description = {"error_ttl", "durations by status", "not set",
                         "How long an answer with status 400 or above is kept when the origin names no lifetime for "
                         "it; an exact status wins over its class.",
                         "a mapping from 400 to 599, 4xx or 5xx to a duration, such as {404: 10s, 5xx: 1s}"};
    field.description.form.kind = ValueForm::Kind::StatusDurations;
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        if (auto value = read_status_durations(spot, findings, kLifetime)) out.error_ttl = std::move(*value);
    };
    return field;
}

Field<CachePolicy> stale_if_error_statuses_field() {
    static constexpr TextRule kStatus{"a status from 400 to 599, 4xx or 5xx", is_error_status,
                                      "^([45][0-9][0-9]|4xx|5xx)$"};
    Field<CachePolicy> field;
    field.description = {"stale_if_error_statuses", "list", "[500, 502, 503, 504]",
                         "The answers that count as a failure of the origin, which a stale response may hide.",
                         "a list, each item " + std::string(kStatus.expected)};
    field.description.form = ranged_form(ValueForm::Kind::Statuses, {400, 599});
    field.description.form.pattern = kStatus.pattern;
    field.description.form.default_items = {"500", "502", "503", "504"};
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto texts = read_texts(spot, findings, kStatus);
        if (!texts) return;
        out.stale_if_error_statuses = {};
        for (const std::string& text : *texts) {
            if (text.back() == 'x')
                out.stale_if_error_statuses.classes.push_back(text.front() - '0');
            else
                out.stale_if_error_statuses.statuses.push_back(std::stoi(text));
        }
    };
    return field;
}

const Record<Normalization>& normalization_fields() {
    static const Record<Normalization> kFields{
        texts<Normalization>(
            {"accept_encoding", "The content codings that matter; Accept-Encoding becomes those of them "
                                "that the client accepts, in this order, or identity."},
            &Normalization::accept_encoding, {"a content coding such as br", http::is_token, kToken}),
        texts<Normalization>(
            {"accept_language", "The languages there are; Accept-Language becomes the one of them that "
                                "the client prefers, or the first."},
            &Normalization::accept_language, {"a language tag such as de", http::is_token, kToken}),
        choice<Normalization>({"user_agent", "Whether User-Agent becomes mobile, tablet or desktop."},
                              &Normalization::device_class,
                              std::vector<std::pair<std::string, bool>>{{"as_sent", false}, {"device_class", true}}),
    };
    return kFields;
}

// `auto`, `pass`, `fill`, or {slice: SIZE}.
Field<CachePolicy> range_field() {
    static const std::vector<std::string> kWords{"auto", "pass", "fill"};
    static constexpr RangeHandling kHandlings[] = {RangeHandling::Auto, RangeHandling::Pass, RangeHandling::Fill};
    static constexpr std::string_view kAccepted = "auto, pass, fill or {slice: a size from 1KiB to 1GiB}";
    Field<CachePolicy> field;
    field.description = {"range", "word or slice size", "auto",
                         "How a range is answered that is not stored: pass forwards it and stores the part that comes, "
                         "fill fetches and stores the whole and answers out of it, auto fills what is known to have at "
                         "most 8MiB and passes everything else, slice fetches and stores pieces of that size and puts "
                         "every answer together from them.",
                         std::string(kAccepted)};
    field.description.form = ranged_form(ValueForm::Kind::SliceSize, kSliceSize);
    field.description.form.words = kWords;
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto read = read_word_or_member(spot, findings, kWords, "slice", kAccepted);
        if (!read) return;
        if (read->word) {
            out.range = kHandlings[*read->word];
        } else if (const auto bytes = read_size(*read->member, findings, kSliceSize)) {
            out.range = RangeHandling::Slice;
            out.slice_bytes = *bytes;
            findings.accept(spot);
        }
    };
    return field;
}

const Record<KeyRules>& key_fields() {
    static const SelectionRule kQuery{true, true, false, kParameterName};
    static const SelectionRule kHeaders{false, false, true, kFieldName};
    static const SelectionRule kCookies{true, true, false, kParameterName};
    static const Record<KeyRules> kFields{
        selection<KeyRules>({"query_strings", "Which query parameters tell stored responses apart; the others are "
                                              "removed towards the origin."},
                            &KeyRules::query_strings, kQuery, "all"),
        choice<KeyRules>(
            {"query_order", "Whether the order of query parameters tells stored responses apart. With sorted "
                            "it does not, but for parameters of one name; the origin gets them as they were "
                            "sent."},
            &KeyRules::sort_query, std::vector<std::pair<std::string, bool>>{{"as_sent", false}, {"sorted", true}}),
        selection<KeyRules>({"headers", "Which request fields tell stored responses apart, beside those that Vary "
                                        "names."},
                            &KeyRules::headers, kHeaders, "none"),
        selection<KeyRules>({"cookies", "Which cookies tell stored responses apart; the others are removed towards "
                                        "the origin."},
                            &KeyRules::cookies, kCookies, "none"),
        choice<KeyRules>({"host", "Whether each Host of the viewer has its own stored responses, or all share them."},
                         &KeyRules::any_host,
                         std::vector<std::pair<std::string, bool>>{{"viewer", false}, {"any", true}}),
        size<KeyRules>(
            {"max_body_size", "How large the content of a POST may be where `cached_methods` has POST: its hash "
                              "is part of the key. Larger ones are forwarded and not stored."},
            &KeyRules::max_body_bytes, kKeyedContent),
    };
    return kFields;
}

} // namespace

bool is_error_status(std::string_view text) {
    const bool is_class_or_status = text.size() == 3 && (text[0] == '4' || text[0] == '5');
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return is_class_or_status && (text.substr(1) == "xx" || (is_digit(text[1]) && is_digit(text[2])));
}

const Record<CachePolicy>& cache_policy_fields() {
    static const Record<CachePolicy> kFields{
        duration<CachePolicy>({"min_ttl", "The least time a stored response stays fresh, whatever lifetime it has."},
                              &CachePolicy::min_ttl, kLifetime),
        duration<CachePolicy>({"default_ttl", "The lifetime of a response for which the origin names none; it takes "
                                              "the place of the heuristic."},
                              &CachePolicy::default_ttl, kLifetime),
        duration<CachePolicy>({"max_ttl", "The most time a response stays fresh when the origin names a lifetime."},
                              &CachePolicy::max_ttl, kLifetime),
        duration<CachePolicy>({"ttl", "The lifetime of every storable response; what the origin names is ignored."},
                              &CachePolicy::ttl, kLifetime),
        duration<CachePolicy>({"stale_while_revalidate", "How long after its end a response is still served while it "
                                                         "is fetched again, when the response itself does not say."},
                              &CachePolicy::stale_while_revalidate, kLifetime),
        duration<CachePolicy>({"stale_if_error", "How long after its end a response is still served while the origin "
                                                 "fails, when the response itself does not say."},
                              &CachePolicy::stale_if_error, kLifetime),
        duration<CachePolicy>({"stale_if_disconnected", "How long after its end a response is still served while the "
                                                        "origin cannot be reached at all, when neither the response "
                                                        "nor stale_if_error says anything; 0s: never."},
                              &CachePolicy::stale_if_disconnected, kLifetime),
        stale_if_error_statuses_field(),
        error_ttl_field(),
        duration<CachePolicy>(
            {"stale_if_slow", "How long a request waits for the origin before it gets a stale response "
                              "that it might get if the origin could not be reached; the origin's "
                              "answer is stored when it comes. Waits end in steps of 100ms."},
            &CachePolicy::stale_if_slow, kWait),
        jitter_field(),
        count<CachePolicy>(
            {"refresh_ahead", "How eagerly a response that is asked for is fetched again before its end, "
                              "while it is still served: beta of XFetch, 1 for what its authors "
                              "recommend, more for earlier; 0: never."},
            &CachePolicy::refresh_ahead, kRefreshAhead),
        choice<CachePolicy>(
            {"request_cache_control", "What a client's own Cache-Control and Pragma may do: what RFC "
                                      "9111 says, nothing, or the one for those that "
                                      "authorized_requests names and the other for everybody else."},
            &CachePolicy::request_cache_control,
            std::vector<std::pair<std::string, RequestCacheControl>>{{"honor", RequestCacheControl::Honor},
                                                                     {"ignore", RequestCacheControl::Ignore},
                                                                     {"authorized", RequestCacheControl::Authorized}}),
        authorized_requests_field(),
        collapse_field(),
        mapping<CachePolicy>(
            {"normalize", "Request fields of many spellings that are reduced to a few values, for the key, "
                          "for Vary and towards the origin."},
            &CachePolicy::normalize, normalization_fields()),
        boolean<CachePolicy>({"heuristic", "Whether a tenth of the time since Last-Modified is taken as the lifetime "
                                           "when neither the origin nor default_ttl names one."},
                             &CachePolicy::heuristic),
        boolean<CachePolicy>({"immutable", "Whether the content at a URL never changes, so that its parts belong "
                                           "together and nothing was modified since any date, also where the origin "
                                           "gives no ETag and no Last-Modified."},
                             &CachePolicy::immutable),
        choice<CachePolicy>({"set_cookie", "Whether a response with Set-Cookie may be stored when the origin names a "
                                           "lifetime for it."},
                            &CachePolicy::refuse_set_cookie,
                            std::vector<std::pair<std::string, bool>>{{"refuse", true}, {"honor", false}}),
        override_field(),
        choice<CachePolicy>(
            {"accept_language", "Which requests get the same stored response where Vary names "
                                "Accept-Language: those with the same field, those that list the same "
                                "languages in any order, or also those that prefer the language the "
                                "response is in."},
            &CachePolicy::accept_language,
            std::vector<std::pair<std::string, LanguageMatching>>{{"as_sent", LanguageMatching::AsSent},
                                                                  {"any_order", LanguageMatching::AnyOrder},
                                                                  {"preferred", LanguageMatching::Preferred}}),
        vary_field(),
        no_vary_search_field(),
        range_field(),
        mapping<CachePolicy>({"key", "What tells stored responses apart, beside origin, host and path."},
                             &CachePolicy::key, key_fields()),
        mapping<CachePolicy>({"forward_only", "What the origin gets although the key does not have it."},
                             &CachePolicy::forward_only, forward_only_fields()),
        texts<CachePolicy>({"targeted_cache_control", "Response fields that are read instead of Cache-Control, first "
                                                      "valid one wins (RFC 9213)."},
                           &CachePolicy::targeted_cache_control,
                           {"a field name", http::is_token, "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"}),
        choice<CachePolicy>({"targeted_cache_control_to_clients", "Whether clients get those fields too; keep them "
                                                                  "where a CDN stands in front of Gatehouse."},
                            &CachePolicy::withhold_targeted_cache_control,
                            std::vector<std::pair<std::string, bool>>{{"keep", false}, {"remove", true}}),
    };
    return kFields;
}

const Record<Behavior>& behavior_fields() {
    using HostMode = Behavior::HostMode;
    using Protocols = ViewerProtocolPolicy;
    static const Record<Behavior> kFields{
        required(text<Behavior>({"path_pattern", "The paths this behavior is for: `*` is any run of characters, `/` "
                                                 "included, and `?` is exactly one."},
                                &Behavior::path_pattern, {kPatternExpected, is_path_pattern, kPatternOfPatterns}, "")),
        mapping<Behavior>({"when", "What else the request must be like; all that is given must hold."}, &Behavior::when,
                          condition_fields()),
        required(text<Behavior>({"origin", "The name of the origin that answers."}, &Behavior::origin,
                                {"the name of an origin"}, "")),
        mapping<Behavior>({"origin_request", "What the origin gets of a request."}, &Behavior::origin_request,
                          origin_request_fields()),
        text<Behavior>({"origin_request_policy", "The name of an origin request policy, an own or a built-in one: what the "
                                                 "origin gets beside what the key has."},
                       &Behavior::origin_request_policy, {"the name of an origin request policy"}, "not set"),
        text<Behavior>({"cache_policy", "The name of the cache policy, an own or a built-in one."},
                       &Behavior::cache_policy, {"the name of a cache policy"}, kRfc9111PolicyName),
        texts<Behavior>({"allowed_methods", "The methods that are answered, others get 405; an empty list "
                                            "is every method, also one that is not named here."},
                        &Behavior::allowed_methods,
                        {"GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS", is_known_method,
                         "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$"}),
        texts<Behavior>(
            {"cached_methods", "The methods that are answered from the cache. POST says that every POST here only "
                               "asks and changes nothing, and what it asks, its content, is then part of the "
                               "key; OPTIONS is keyed by what a preflight asks."},
            &Behavior::cached_methods,
            {"GET, HEAD, POST or OPTIONS", is_cacheable_method, "^(GET|HEAD|POST|OPTIONS)$"}),
        choice<Behavior>(
            {"viewer_protocol_policy", "What a client gets that did not come over HTTPS, which a trusted "
                                       "proxy says by X-Forwarded-Proto: the answer, a redirect to the "
                                       "same URL with https, or 403."},
            &Behavior::viewer_protocol_policy,
            std::vector<std::pair<std::string, Protocols>>{{"allow-all", Protocols::AllowAll},
                                                           {"redirect-to-https", Protocols::RedirectToHttps},
                                                           {"https-only", Protocols::HttpsOnly}}),
        text<Behavior>({"share", "A name; behaviors with the same one, the same origin and the same cache policy share "
                                 "their stored responses, which are otherwise each behavior's own."},
                       &Behavior::share, {"a name of letters, digits and _-.", is_share_name}, "not set"),
        choice<Behavior>(
            {"host", "Which Host the origin gets: its own, or the one the viewer sent."}, &Behavior::host,
            std::vector<std::pair<std::string, HostMode>>{{"origin", HostMode::Origin}, {"viewer", HostMode::Viewer}}),
        boolean<Behavior>({"cache_status_key", "Whether Cache-Status shows clients the key that the response is stored "
                                               "under, with the cookies and fields that are part of it."},
                          &Behavior::cache_status_key),
        behavior_client_cache_control(),
        etag_field(),
        response_headers_policy_field(),
        error_pages_field(),
    };
    return kFields;
}

} // namespace gatehouse::config
