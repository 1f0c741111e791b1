// Cache keys as people read and write them: "GET shop.example/v1/items?page=2", and the URL of a browser.
#pragma once

#include "http/result.h"
#include "http/target.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::proxy {

struct ReadableKey {
    std::string rules; // cache policy and behavior: "catalogue|/v1/items*"
    std::string origin;
    std::string method; // GET stands for HEAD too
    std::string host;   // "*": the key is of any host
    std::string path;
    std::optional<std::string> query;
    std::vector<std::string> others; // keyed fields and cookies, the digest of a POST's content

    std::string path_and_query() const { return query ? path + "?" + *query : path; }
    std::string url() const { return host + path_and_query(); } // a key has no scheme
};
// Of any bytes: what is no key gives parts that are empty.
ReadableKey readable_key(std::string_view key);

// What Vary compared, "accept-language: de", and the part of the content that is stored, "from byte 1024 on".
std::vector<std::string> readable_variant(std::string_view vary_names, std::string_view vary_values,
                                          std::string_view secondary_key);

// Which URLs are listed: all that begin so, or, with a *, that match as a whole. One that begins with '/' says nothing
// of the host.
class UrlPattern {
public:
    explicit UrlPattern(std::string_view text); // empty: matches all
    bool matches(const ReadableKey& key) const;

private:
    std::string text_; // without scheme
};

// The key of what somebody asks about: a URL, a path of any host, what `cache ls` prints, or the key itself.
class KeyQuestion {
public:
    enum class Answer : std::uint8_t {
        No,
        Perhaps, // all that the key has of the query is in the URL's, which says more: the rules may leave it out
        Yes
    };
    static http::Result<KeyQuestion> parse(std::string_view text);
    Answer ask(std::string_view key, const ReadableKey& readable) const;

private:
    std::string text_;
    std::string host_; // empty: any
    std::string path_; // empty: it is no URL
    std::optional<std::string> query_;
};

} // namespace gatehouse::proxy
