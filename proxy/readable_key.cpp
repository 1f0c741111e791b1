#include "proxy/readable_key.h"

#include "cache/policy/cache_key.h"
#include "config/glob.h"
#include "proxy/printable_text.h"

#include <algorithm>

namespace gatehouse::proxy {

namespace {

// Takes what stands in front of the next `end` off the front.
std::string_view take_part(std::string_view& text, char end) {
    const std::string_view part = text.substr(0, text.find(end));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

std::string_view without_scheme(std::string_view text) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (text.starts_with(scheme)) {
            return text.substr(scheme.size());
        }
    }
    return text;
}

// Whether each parameter of `part` is one of `whole`.
bool is_part_of(std::string_view part, std::string_view whole) {
    while (!part.empty()) {
        const std::string_view parameter = take_part(part, '&');
        bool is_there = false;
        for (std::string_view rest = whole; !rest.empty() && !is_there;) {
            is_there = take_part(rest, '&') == parameter;
        }
        if (!is_there) {
            return false;
        }
    }
    return true;
}

} // namespace

ReadableKey readable_key(std::string_view key) {
    const cache::policy::KeyParts parts = cache::policy::split_cache_key(key);
    ReadableKey out;
    out.rules = parts.rule_set;
    out.origin = parts.origin;
    out.method = "GET";
    out.host = parts.authority;
    out.path = parts.path;
    if (!parts.query.empty()) {
        out.query = parts.query;
    }
    for (std::string_view rest = parts.fields; !rest.empty();) {
        std::string_view line = take_part(rest, '\n');
        if (line == "?") {
            out.query.emplace();
        } else if (line.starts_with('@')) {
            line.remove_prefix(1);
            out.method = take_part(line, ' ');
            if (!line.empty()) {
                out.others.push_back("content " + std::string(line));
            }
        } else if (line.starts_with(';')) {
            out.others.push_back("cookie: " + std::string(line.substr(1)));
        } else {
            out.others.emplace_back(line);
        }
    }
    return out;
}

std::vector<std::string> readable_variant(std::string_view vary_names, std::string_view vary_values,
                                          std::string_view secondary_key) {
    const std::size_t variant_bytes = vary_names.size() + 1 + vary_values.size();
    std::vector<std::string> out;
    while (!vary_names.empty()) {
        const std::string name(take_part(vary_names, ','));
        const std::string_view value = take_part(vary_values, '\n');
        if (value.starts_with('-')) {
            out.push_back(name + ": not in the request");
        } else {
            out.push_back(name + ": " + std::string(value.starts_with('=') ? value.substr(1) : value));
        }
    }
    constexpr std::string_view kPart = "\nfrom ";
    const std::string_view part = secondary_key.substr(std::min(variant_bytes, secondary_key.size()));
    if (part.starts_with(kPart)) {
        out.push_back("from byte " + std::string(part.substr(kPart.size())) + " on");
    }
    return out;
}

UrlPattern::UrlPattern(std::string_view text) : text_(without_scheme(text)) {}

bool UrlPattern::matches(const ReadableKey& key) const {
    const std::string text = text_.starts_with('/') ? key.path_and_query() : key.url();
    return text_.find('*') == std::string::npos ? text.starts_with(text_) : config::text_matches(text_, text);
}

http::Result<KeyQuestion> KeyQuestion::parse(std::string_view text) {
    KeyQuestion question;
    question.text_ = text;
    if (text.starts_with('/')) {
        question.path_ = take_part(text, '?');
        if (question.path_.size() < question.text_.size()) {
            question.query_ = text;
        }
        return question;
    }
    if (text.find("://") == std::string_view::npos) {
        return question;
    }
    http::Result<http::Url> url = http::parse_url(text);
    if (!url) {
        return url.take_error();
    }
    question.host_ = url->authority();
    question.path_ = url->path_as_written;
    if (url->has_query) {
        question.query_ = url->query;
    }
    return question;
}

KeyQuestion::Answer KeyQuestion::ask(std::string_view key, const ReadableKey& readable) const {
    if (path_.empty()) {
        const bool is_it = text_ == key || text_ == readable.url() || text_ == printable(key);
        return is_it ? Answer::Yes : Answer::No;
    }
    const bool is_host = host_.empty() || readable.host == "*" || readable.host == host_;
    if (!is_host || readable.path != path_) {
        return Answer::No;
    }
    if (readable.query == query_) {
        return Answer::Yes;
    }
    return query_ && is_part_of(readable.query.value_or(""), *query_) ? Answer::Perhaps : Answer::No;
}

} // namespace gatehouse::proxy
