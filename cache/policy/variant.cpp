#include "cache/policy/variant.h"

#include "cache/policy/language.h"
#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <array>
#include <vector>

namespace gatehouse::cache::policy {

namespace {

using config::LanguageMatching;

// A text of its own for each name: '-' when the field is missing, else '=' and the value; then '\n', which no field
// value contains. Languages without their order have '~' for '='; in front of it may stand '@' and the language of the
// response, which has neither of these characters.
constexpr char kMissing = '-';
constexpr char kPresent = '=';
constexpr char kUnordered = '~';
constexpr char kLanguage = '@';
constexpr char kEnd = '\n';

constexpr std::string_view kAcceptLanguage = "accept-language";

// Request fields in which no letter's case means anything: language ranges (RFC 5646 section 2.1.1), content codings
// (RFC 9110 section 8.4.1) and charsets (RFC 9110 section 8.3.2).
bool ignores_case(std::string_view name) noexcept {
    return name == kAcceptLanguage || name == "accept-encoding" || name == "accept-charset";
}

// Request fields whose value is no list, so that a comma in them separates nothing.
bool is_list_based(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 9> kOthers = {
        "authorization",       "cookie", "from",    "host",      "if-modified-since",
        "if-unmodified-since", "origin", "referer", "user-agent"};
    return std::find(kOthers.begin(), kOthers.end(), name) == kOthers.end();
}

// Writes a list value without the white space around its commas; what is in quotes is left alone.
// RFC 9111 section 4.1 lets white space be changed where the field's syntax allows it.
template <class Sink>
class ListWriter {
public:
    ListWriter(Sink& sink, bool lower) : sink_(sink), lower_(lower) {}

    void write(std::string_view value) {
        for (std::size_t at = 0; at < value.size(); ++at) {
            write(value[at]);
            if (quoted_ && value[at] == '\\' && at + 1 < value.size()) {
                sink_.put(value[++at]); // escaped: neither a quote nor a comma
            }
        }
    }

    void write(char c) {
        if (quoted_) {
            quoted_ = c != '"';
            sink_.put(c);
        } else if (c == ' ' || c == '\t') {
            space_ += at_separator_ ? 0 : 1;
        } else if (c == ',') {
            space_ = 0;
            at_separator_ = true;
            sink_.put(c);
        } else {
            for (; space_ > 0; --space_) {
                sink_.put(' ');
            }
            at_separator_ = false;
            quoted_ = c == '"';
            sink_.put(lower_ ? http::to_lower(c) : c);
        }
    }

private:
    Sink& sink_;
    bool lower_;
    std::size_t space_ = 0; // seen, and written only when no comma follows
    bool at_separator_ = true;
    bool quoted_ = false;
};

template <class Sink>
void write_plain(std::string_view name, const http::Fields& request, Sink& sink) {
    bool is_first = true;
    request.for_each(name, [&](std::string_view value) {
        if (!is_first) {
            sink.put(',');
            sink.put(' ');
        }
        is_first = false;
        for (const char c : value) {
            sink.put(c);
        }
    });
}

template <class Sink>
void write_list(std::string_view name, const http::Fields& request, Sink& sink) {
    // Letters may be changed where their case means nothing. RFC 9111 section 4.1
    ListWriter<Sink> writer(sink, ignores_case(name));
    bool is_first = true;
    // Lines of one name are compared as one value. RFC 9110 section 5.3
    request.for_each(name, [&](std::string_view value) {
        if (!is_first) {
            writer.write(',');
        }
        is_first = false;
        writer.write(value);
    });
}

struct StringSink {
    std::string text;
    void put(char c) { text += c; }
};

// OPTIMIZATION: compares what would be written, so that looking for a variant allocates nothing.
struct CompareSink {
    std::string_view rest;
    bool equal = true;
    void put(char c) noexcept {
        if (rest.empty() || rest.front() != c) {
            equal = false;
            return;
        }
        rest.remove_prefix(1);
    }
};

template <class Sink>
void write_text(std::string_view text, Sink& sink) {
    for (const char c : text) {
        sink.put(c);
    }
}

// DEVIATION: RFC 9110 section 12.5.4 leaves open whether the order of languages means something; an operator may say
// that it does not, and that whoever prefers the language that a stored response is in may have that response.
void write_languages(const http::Fields& request, LanguageMatching /*matching*/, std::string_view language,
                     StringSink& sink) {
    if (!language.empty()) {
        sink.put(kLanguage);
        write_text(language, sink);
    }
    sink.put(kUnordered);
    write_text(unordered_languages(request), sink);
}

void write_languages(const http::Fields& request, LanguageMatching matching, std::string_view /*language*/,
                     CompareSink& sink) {
    if (sink.rest.starts_with(kLanguage)) {
        const std::size_t end = std::min(sink.rest.find(kUnordered), sink.rest.size());
        const std::string_view stored_language = sink.rest.substr(1, end - 1);
        sink.rest.remove_prefix(end);
        if (matching == LanguageMatching::Preferred && preferred_language(request) == stored_language) {
            sink.rest.remove_prefix(std::min(sink.rest.find(kEnd), sink.rest.size()));
            return;
        }
    }
    sink.put(kUnordered);
    write_text(unordered_languages(request), sink);
}

template <class Sink>
void write_variant(std::string_view names, const http::Fields& request, LanguageMatching matching,
                   std::string_view language, Sink& sink) {
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find(','));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        // A field missing from one request matches only when it is missing from the other. RFC 9111 section 4.1
        if (!request.contains(name)) {
            sink.put(kMissing);
        } else if (name == kAcceptLanguage && matching != LanguageMatching::AsSent) {
            write_languages(request, matching, language, sink);
        } else {
            sink.put(kPresent);
            if (is_list_based(name)) {
                write_list(name, request, sink);
            } else {
                write_plain(name, request, sink);
            }
        }
        sink.put(kEnd);
    }
}

bool ignores(const config::VaryRule& rule, std::string_view name) noexcept {
    return rule.ignore_all || std::find(rule.ignored.begin(), rule.ignored.end(), name) != rule.ignored.end();
}

} // namespace

// DEVIATION: RFC 9111 section 4.1 has every nominated field match; an operator who says that some of them change
// nothing, or not enough to matter, answers for it. `*` is not his to ignore: nobody knows what it stands for.
std::string nominated_names(const http::Fields& response, const config::VaryRule& rule) {
    std::vector<std::string> names;
    for (const std::string_view member : http::list_members(response, "Vary")) {
        // A member `*` means that something else than the request's fields took part. RFC 9111 section 4.1
        // A member that is no field name nominates something, but nothing that could be compared: it counts as `*`.
        if (member == "*" || !http::is_token(member)) {
            return "*";
        }
        if (std::string name = http::lower(member); !ignores(rule, name)) {
            names.push_back(std::move(name));
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string joined;
    for (const std::string& name : names) {
        if (!joined.empty()) {
            joined += ',';
        }
        joined += name;
    }
    return joined;
}

std::string variant_key(std::string_view names, const http::Fields& request, LanguageMatching matching,
                        std::string_view language) {
    if (names.empty() || names == "*") {
        return {};
    }
    StringSink sink;
    write_variant(names, request, matching, matching == LanguageMatching::Preferred ? language : std::string_view(),
                  sink);
    return std::move(sink.text);
}

bool variant_matches(std::string_view names, std::string_view key, const http::Fields& request,
                     LanguageMatching matching) {
    if (names.empty()) {
        return true;
    }
    // A stored Vary with a member `*` never matches. RFC 9111 section 4.1
    if (names == "*") {
        return false;
    }
    CompareSink sink{key};
    write_variant(names, request, matching, {}, sink);
    return sink.equal && sink.rest.empty();
}

} // namespace gatehouse::cache::policy
