// Request targets (RFC 9112 section 3.2) to their parts, once. What is forwarded is kept byte for byte.
#pragma once

#include "http/message.h"
#include "http/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::http {

struct Target {
    std::string authority; // lower-cased, default port of the scheme removed; never empty for HTTP/1.1
    std::string path;      // as forwarded: starts with '/', or "*" for OPTIONS *
    std::string query;     // without '?'
    bool has_query = false;
    // The path is known to be what normalised_path() makes of it. parse_target() says so of nearly every path; false
    // says nothing.
    bool is_normal = false;
    // The default port for which `authority` is known to be in its canonical form: of a target that is used again
    // parse_target() does not read the same Host twice. 0: it came from elsewhere.
    std::uint16_t canonical_for = 0;

    // path, and '?' query when there is one: the origin-form that is forwarded.
    std::string origin_form() const;
};

// Decides the authority (RFC 9112 section 3.3): absolute-form wins and must equal Host (else 400: the peers were
// poisoned by this, VSV00018). Errors (all BadRequest): missing or repeated Host in HTTP/1.1, Host that is no
// uri-host [":" port] (userinfo, white space, empty), authority-form, fragment, a path that does not start with '/',
// characters not allowed in a URI (controls, space, non-ASCII), '%' not followed by two hex digits.
// UnsafePath: a ".." segment (also as "%2e%2E") that climbs above the root; and one that servers read differently,
// because it, or the segment that it takes back, is bounded by "%2F" or a backslash, has ";parameters", or is empty.
// Other dot segments are forwarded as they are: everybody resolves them to the path that normalised_path() says.
// CONNECT is refused before this. `scheme` is "http" or "https": what the listener speaks.
// HTTP/1.0 without Host gets the authority of `default_authority`.
Result<Target> parse_target(const RequestHead& request, std::string_view scheme, std::string_view default_authority);
// The same into a target that was used before, whose strings keep their room; what it holds after an error says
// nothing.
std::optional<Error> parse_target(const RequestHead& request, std::string_view scheme,
                                  std::string_view default_authority, Target& out);

// uri-host [":" port] to its canonical form: lower case, default port removed, "[::1]" kept. Error when malformed.
Result<std::string> canonical_authority(std::string_view authority, std::string_view scheme);

// The path that patterns are matched against (never forwarded): dot segments removed (RFC 3986 section 5.2.4),
// percent-encoded unreserved characters decoded, hex digits upper-cased, repeated '/' merged. %2F is never decoded.
std::string normalised_path(std::string_view path);

// A URL of the configuration or of the command line: scheme http or https, host, port, path.
struct Url {
    std::string scheme; // "http" or "https"
    std::string host;   // lower-cased; IPv6 without brackets
    std::uint16_t port = 0; // the scheme's default when absent
    std::string path;   // "" or starts with '/', no trailing '/'
    std::string path_as_written; // with its trailing '/'; "/" when there is none: what a purge or explain asks about
    std::string query;
    bool has_query = false;
    // host[:port] as a Host field wants it: port only when not the scheme's default, IPv6 in brackets.
    std::string authority() const;
};
Result<Url> parse_url(std::string_view text);

} // namespace gatehouse::http
