// The fields of a cache policy that spare the origin requests (collapse, jitter), and those for who may ask it all the
// same.
#include "config/language.h"

#include "http/ascii.h"

#include <charconv>

namespace gatehouse::config {
namespace {

constexpr unsigned kMostJitterPercent = 50;
constexpr std::size_t kLeastSecret = 16;

std::optional<unsigned> parse_percentage(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_percentage = error == std::errc() && end == text.data() + text.size() - 1 && *end == '%';
    const bool is_plain = text.size() == 2 || !text.starts_with('0');
    return is_percentage && is_plain && value <= kMostJitterPercent ? std::optional(value) : std::nullopt;
}

// Long enough that nobody finds it by trying; printable, as a field value is.
bool is_secret(std::string_view text) {
    return text.size() >= kLeastSecret &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// A name of its own: what means something to proxies or origins would be lost to them.
bool is_secret_field(std::string_view name) {
    constexpr std::string_view kTaken[] = {"x-forwarded-", "x-real-ip",     "x-original-",
                                           "x-rewrite-",   "x-http-method", "x-method-override",
                                           "x-amz",        "x-api-key",     "x-requested-with"};
    const std::string low = http::lower(name);
    return http::is_token(name) && low.starts_with("x-") && low.size() > 2 &&
           std::none_of(std::begin(kTaken), std::end(kTaken),
                        [&low](std::string_view taken) { return low.starts_with(taken); });
}

// Messages show nothing of a secret, wherever it comes from.
Field<AuthorizedRequests> secrets_field() {
    static constexpr TextRule kSecret{"a text of at least 16 printable characters without spaces", is_secret,
                                      "^[!-~]{16,}$"};
    Field<AuthorizedRequests> field = texts<AuthorizedRequests>(
        {"secrets", "The secrets, any of which will do: several, so that one can take the place of another. Best as "
                    "${file:PATH} or ${NAME}."},
        &AuthorizedRequests::secrets, kSecret);
    field.read = [](const Spot& spot, Findings& findings, AuthorizedRequests& out) {
        DocumentNode hidden = *spot.node;
        for (NodePtr& item : hidden.items) {
            auto copy = std::make_shared<DocumentNode>(*item);
            copy->secret = true;
            item = std::move(copy);
        }
        hidden.secret = true;
        Spot there = spot;
        there.node = &hidden;
        if (auto value = read_texts(there, findings, kSecret)) out.secrets = std::move(*value);
    };
    return field;
}

const Record<AuthorizedRequests>& authorized_request_fields() {
    using Otherwise = AuthorizedRequests::Otherwise;
    static const Record<AuthorizedRequests> kFields{
        text<AuthorizedRequests>(
            {"header", "The request field that carries the secret. Neither origins nor keys get to see "
                       "it, whatever the behavior."},
            &AuthorizedRequests::header,
            {"a field name that begins with X- and has no other meaning", is_secret_field,
             "^[Xx]-[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
            AuthorizedRequests().header),
        secrets_field(),
        networks<AuthorizedRequests>(
            {"networks", "Clients of these networks need no secret; a client is who connects, or "
                         "who the trusted proxies say it is."},
            &AuthorizedRequests::networks),
        choice<AuthorizedRequests>(
            {"otherwise", "What becomes of the wishes of everybody else: warn ignores them and "
                          "says so in a Warning field, ignore says nothing, refuse answers 403."},
            &AuthorizedRequests::otherwise,
            std::vector<std::pair<std::string, Otherwise>>{
                {"warn", Otherwise::Warn}, {"ignore", Otherwise::Ignore}, {"refuse", Otherwise::Refuse}}),
    };
    return kFields;
}

} // namespace

Field<CachePolicy> jitter_field() {
    static constexpr std::string_view kAccepted = "a percentage from 0% to 50%";
    Field<CachePolicy> field;
    field.description = {"jitter", "percentage", "0%",
                         "By how much a lifetime is shortened at most, for each response by a share of its own, so "
                         "that what was stored together does not have to be fetched again together.",
                         std::string(kAccepted)};
    field.description.form.pattern = "^([0-9]|[1-4][0-9]|50)%$";
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto text = read_scalar(spot, findings, kAccepted);
        if (!text) return;
        const auto percent = parse_percentage(*text);
        if (!percent) {
            findings.expected(spot, kAccepted);
            return;
        }
        out.jitter_percent = *percent;
        findings.accept(spot);
    };
    return field;
}

// `on`, `off`, or {max_wait: DURATION}.
Field<CachePolicy> collapse_field() {
    static constexpr std::string_view kAccepted = "on, off or {max_wait: 1ms to 1d}";
    static const std::vector<std::string> kWords{"on", "true", "off", "false"};
    static constexpr std::size_t kWordsForOn = 2;
    Field<CachePolicy> field;
    field.description = {"collapse", "on, off or longest wait", "on",
                         "Whether a request that comes while the same is being fetched waits for that answer, "
                         "otherwise each asks the origin; with max_wait one that has waited for so long asks for "
                         "itself.",
                         std::string(kAccepted)};
    field.description.form.kind = ValueForm::Kind::LongestWait;
    field.description.form.words = kWords;
    field.description.form.min = 1;
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto read = read_word_or_member(spot, findings, kWords, "max_wait", kAccepted);
        if (!read) return;
        if (read->word) {
            out.collapse = *read->word < kWordsForOn;
        } else if (const auto wait = read_duration(*read->member, findings, kWait)) {
            out.collapse_max_wait = *wait;
            findings.accept(spot);
        }
    };
    return field;
}

Field<CachePolicy> authorized_requests_field() {
    return mapping<CachePolicy>({"authorized_requests", "Who may ask for an answer of the origin with "
                                                        "`request_cache_control: authorized`."},
                                &CachePolicy::authorized_requests, authorized_request_fields());
}

} // namespace gatehouse::config
