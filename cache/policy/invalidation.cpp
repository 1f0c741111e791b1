#include "cache/policy/invalidation.h"

#include "http/ascii.h"

#include <algorithm>
#include <optional>

namespace gatehouse::cache::policy {

namespace {

// A URI reference in its parts. RFC 3986 section 4.1
struct Reference {
    std::optional<std::string_view> scheme;
    std::optional<std::string_view> authority;
    std::string_view path;
    std::string_view query;
    bool has_query = false;
};

bool is_scheme(std::string_view text) noexcept {
    const auto is_letter = [](char c) { return http::to_lower(c) >= 'a' && http::to_lower(c) <= 'z'; };
    return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    });
}

Reference parse_reference(std::string_view text) noexcept {
    Reference reference;
    text = text.substr(0, text.find('#')); // a fragment is no part of what is requested
    if (const auto question = text.find('?'); question != std::string_view::npos) {
        reference.has_query = true;
        reference.query = text.substr(question + 1);
        text = text.substr(0, question);
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && is_scheme(text.substr(0, colon))) {
        reference.scheme = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    if (text.starts_with("//")) {
        text.remove_prefix(2);
        reference.authority = text.substr(0, text.find('/'));
        text.remove_prefix(reference.authority->size());
    }
    reference.path = text;
    return reference;
}

// RFC 3986 section 5.2.4
std::string remove_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        // Each turn takes "/segment"; a path here always begins with '/'.
        const std::size_t end = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, end);
        path.remove_prefix(end);
        if (segment == "/." || segment == "/..") {
            if (segment == "/..") {
                out.erase(std::min(out.rfind('/'), out.size()));
            }
            if (path.empty()) {
                out += '/';
            }
        } else {
            out += segment;
        }
    }
    return out;
}

// RFC 3986 section 5.2.3: a relative path replaces what follows the last '/' of the base.
std::string merged_path(const http::Target& target, std::string_view relative) {
    std::string path = target.path.substr(0, target.path.rfind('/') + 1);
    path += relative;
    return path.starts_with('/') ? path : "/" + path;
}

InvalidatedUri uri_of(const http::Target& target) { return {target.authority, target.path, target.query}; }

// RFC 3986 section 5.2.2. nullopt when the origin (scheme, host, port) is another one.
std::optional<InvalidatedUri> resolve(std::string_view text, std::string_view scheme, const http::Target& target) {
    const Reference reference = parse_reference(text);
    if (reference.scheme && (!http::iequals(*reference.scheme, scheme) || !reference.authority)) {
        return std::nullopt;
    }
    InvalidatedUri uri = uri_of(target);
    if (reference.authority) {
        const auto authority = http::canonical_authority(*reference.authority, scheme);
        if (!authority.ok() || authority.value() != target.authority) {
            return std::nullopt;
        }
    }
    if (reference.path.empty() && !reference.authority) {
        uri.query = reference.has_query ? std::string(reference.query) : target.query;
        return uri;
    }
    if (reference.path.empty()) {
        uri.path = "/"; // an empty path is the same as "/": RFC 9110 section 4.2.3
    } else if (reference.path.starts_with('/')) {
        uri.path = remove_dot_segments(reference.path);
    } else {
        uri.path = remove_dot_segments(merged_path(target, reference.path));
    }
    uri.query = std::string(reference.query);
    return uri;
}

} // namespace

// RFC 9110 section 8.7: Content-Location names the resource that the content represents.
bool represents_target(std::string_view scheme, const http::Target& target, const http::ResponseHead& response) {
    const auto location = response.fields.first("Content-Location");
    if (!location || response.fields.count("Content-Location") != 1) {
        return false;
    }
    const auto uri = resolve(*location, scheme, target);
    return uri && *uri == uri_of(target);
}

std::vector<InvalidatedUri> invalidated_uris(http::Method method, std::string_view scheme, const http::Target& target,
                                             const http::ResponseHead& response) {
    std::vector<InvalidatedUri> uris;
    // Only a non-error answer, 2xx or 3xx, to an unsafe method invalidates; a method whose safety is unknown counts
    // as unsafe. RFC 9111 section 4.4
    if (http::is_safe(method) || response.status < 200 || response.status > 399) {
        return uris;
    }
    // The target URI is invalidated. RFC 9111 section 4.4
    uris.push_back(uri_of(target));
    // So may be the URIs in Location and Content-Location, but not where their origin differs from that of the
    // target: one host must not empty the cache of another. RFC 9111 section 4.4
    for (const std::string_view name : {std::string_view("Location"), std::string_view("Content-Location")}) {
        const auto value = response.fields.first(name);
        auto uri = value ? resolve(*value, scheme, target) : std::nullopt;
        if (uri && std::find(uris.begin(), uris.end(), *uri) == uris.end()) {
            uris.push_back(std::move(*uri));
        }
    }
    return uris;
}

} // namespace gatehouse::cache::policy
