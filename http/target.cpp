#include "http/target.h"

#include "http/ascii.h"
#include "http/byte_block.h"
#include "http/reassign.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace gatehouse::http {

namespace {

constexpr std::uint8_t kTargetChar = 1;     // may stand in a request target as it is
constexpr std::uint8_t kHostChar = 2;       // may stand in a registered name
constexpr std::uint8_t kUnreservedChar = 4; // means the same encoded and not

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (unsigned c = 0; c < 128; ++c) {
        const auto is_one_of = [c](std::string_view marks) {
            return c != 0 && marks.find(static_cast<char>(c)) != std::string_view::npos;
        };
        // DEVIATION: RFC 3986 section 2 also forbids these characters: " < > \ ^ ` { | }. Browsers and libraries send
        // them unencoded, and they are forwarded byte for byte, so no two recipients split the target differently.
        // Refused are controls, space, '#' and bytes from 0x80. A '%' is looked at separately.
        if (c > ' ' && c < 0x7f && c != '#' && c != '%') {
            classes[c] |= kTargetChar;
        }
        const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        // Letters, digits, - . _ ~ are unreserved. RFC 3986 section 2.3
        if (alphanumeric || is_one_of("-._~")) {
            classes[c] |= kUnreservedChar | kHostChar;
        }
        // A registered name is made of unreserved characters and sub-delimiters. RFC 3986 section 3.2.2
        if (is_one_of("!$&'()*+,;=")) {
            classes[c] |= kHostChar;
        }
    }
    return classes;
}

constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr bool has_class(char c, std::uint8_t mask) noexcept {
    return (kClasses[static_cast<unsigned char>(c)] & mask) != 0;
}

// How many characters at the beginning are of the class.
std::size_t class_prefix(std::string_view text, std::uint8_t mask) noexcept {
    std::size_t at = 0;
    while (at < text.size() && has_class(text[at], mask)) {
        ++at;
    }
    return at;
}

constexpr int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'f') ? low - 'a' + 10 : -1;
}

// The byte that "%41" at this offset stands for; negative when it is no percent-encoding. RFC 3986 section 2.1
int percent_decoded(std::string_view text, std::size_t at) noexcept {
    if (text.size() - at < 3 || text[at] != '%') {
        return -1;
    }
    const int high = hex_digit(text[at + 1]);
    const int low = hex_digit(text[at + 2]);
    return (high < 0 || low < 0) ? -1 : high * 16 + low;
}

// What one look over a target finds.
struct TargetLook {
    bool is_plain = true;                          // ByteBlock::plain_target(): may stand in a target as it is
    bool is_path_normal = true;                    // no segment before the '?' is empty or begins with a dot
    std::size_t question = std::string_view::npos; // the first one
};

// OPTIMIZATION: sixteen bytes at once, and once for all questions.
class TargetLooker {
public:
    const TargetLook& look() const noexcept { return look_; }

    // The block that begins at offset `at`; it may overlap with the one before.
    void take(const ByteBlock& block, std::size_t at) noexcept {
        look_.is_plain = look_.is_plain && block.plain_target() == kWholeBlock;
        if (look_.question != std::string_view::npos) {
            return;
        }
        const std::uint32_t questions = block.equal_to('?');
        const std::uint32_t of_path = questions == 0 ? kWholeBlock : (questions & -questions) - 1;
        if (questions != 0) {
            look_.question = at + static_cast<std::size_t>(std::countr_zero(questions));
        }
        const std::uint32_t slashes = block.equal_to('/');
        const std::uint32_t begins = slashes << 1 | static_cast<std::uint32_t>(ends_with_slash_);
        const std::uint32_t odd = begins & block.equal_to('/', '.');
        look_.is_path_normal = look_.is_path_normal && (odd & of_path) == 0;
        ends_with_slash_ = slashes >> (ByteBlock::kBytes - 1) != 0;
    }

private:
    TargetLook look_;
    bool ends_with_slash_ = false; // the block before
};

TargetLook look_at(std::string_view text) noexcept {
    TargetLooker looker;
    if (text.size() < ByteBlock::kBytes) {
        std::array<char, ByteBlock::kBytes> block;
        block.fill('a'); // which changes no answer
        std::memcpy(block.data(), text.data(), text.size());
        looker.take(ByteBlock(block.data()), 0);
        return looker.look();
    }
    const std::size_t last = text.size() - ByteBlock::kBytes;
    for (std::size_t at = 0; at < last; at += ByteBlock::kBytes) {
        looker.take(ByteBlock(text.data() + at), at);
    }
    looker.take(ByteBlock(text.data() + last), last);
    return looker.look();
}

// Whether every character is of the class or part of a percent-encoding. A '%' is followed by two hexadecimal
// digits. RFC 3986 section 2.1
bool is_encoded_text(std::string_view text, std::uint8_t mask) noexcept {
    std::size_t at = class_prefix(text, mask);
    while (at < text.size()) {
        if (percent_decoded(text, at) < 0) {
            return false;
        }
        at += 3;
        at += class_prefix(text.substr(at), mask);
    }
    return true;
}

Error bad(const char* detail) { return {ErrorKind::BadRequest, detail}; }

constexpr std::uint16_t default_port(std::string_view scheme) noexcept { return scheme == "https" ? 443 : 80; }

struct HostPort {
    std::string_view host; // with brackets
    std::optional<std::uint16_t> port;
};

bool is_ip_literal(std::string_view host) noexcept {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (host.size() < 4 || host.front() != '[' || host.back() != ']' || host.size() - 2 >= text.size()) {
        return false;
    }
    std::memcpy(text.data(), host.data() + 1, host.size() - 2);
    in6_addr address{};
    return std::memchr(host.data(), '\0', host.size()) == nullptr && inet_pton(AF_INET6, text.data(), &address) == 1;
}

// authority = host [ ":" port ], without userinfo. RFC 9110 section 4.2.1
// nullptr, or what is wrong.
const char* split_host_port(std::string_view authority, HostPort& parts) noexcept {
    if (!authority.empty() && class_prefix(authority, kHostChar) == authority.size()) {
        parts = {authority, std::nullopt}; // a name and nothing else, as nearly always
        return nullptr;
    }
    const bool is_literal = authority.starts_with('[');
    const std::size_t bracket = is_literal ? authority.find(']') : 0;
    if (bracket == std::string_view::npos) {
        return "IPv6 address without a closing bracket";
    }
    const std::size_t colon = is_literal ? bracket + 1 : std::min(authority.find(':'), authority.size());
    parts.host = authority.substr(0, colon);
    // An http or https URI with an empty host is invalid. RFC 9110 section 4.2.1
    if (parts.host.empty()) {
        return "host is empty";
    }
    if (authority.find('@') != std::string_view::npos) {
        return "user information in an authority"; // refused as RFC 9110 section 4.2.4 asks
    }
    if (is_literal ? !is_ip_literal(parts.host) : !is_encoded_text(parts.host, kHostChar)) {
        return "host is malformed";
    }
    parts.port = std::nullopt;
    if (colon == authority.size()) {
        return nullptr;
    }
    if (authority[colon] != ':') {
        return "host is malformed";
    }
    const std::string_view port_text = authority.substr(colon + 1);
    if (port_text.empty()) {
        return nullptr; // an empty port is the default one. RFC 3986 section 6.2.3
    }
    const auto port = parse_digits(port_text);
    if (!port || *port > std::numeric_limits<std::uint16_t>::max()) {
        return "port is malformed";
    }
    parts.port = static_cast<std::uint16_t>(*port);
    return nullptr;
}

// Scheme and host are compared without case, and a default port is the same as none. RFC 9110 section 4.2.3
void assign_canonical(const HostPort& parts, std::string_view scheme, std::string& out) {
    reassign(out, parts.host);
    lower_in_place(out);
    if (parts.port && *parts.port != default_port(scheme)) {
        out += ':';
        out += std::to_string(*parts.port);
    }
}

// nullptr, or what is wrong.
const char* read_authority(std::string_view authority, std::string_view scheme, std::string& out) {
    HostPort parts;
    const char* const fault = split_host_port(authority, parts);
    if (fault == nullptr) {
        assign_canonical(parts, scheme, out);
    }
    return fault;
}

// Takes "http://" off the front; the scheme's name is compared without case. RFC 3986 section 3.1
std::optional<std::string_view> strip_scheme(std::string_view& text) noexcept {
    for (const std::string_view scheme : {std::string_view("http"), std::string_view("https")}) {
        if (iequals(text.substr(0, scheme.size()), scheme) && text.substr(scheme.size(), 3) == "://") {
            text.remove_prefix(scheme.size() + 3);
            return scheme;
        }
    }
    return std::nullopt;
}

// Splits "/path?query" at the first '?', which is at that offset. RFC 3986 section 3.4
template <class Parts>
void split_path_query(std::string_view text, std::size_t question, Parts& parts) {
    reassign(parts.path, text.substr(0, question));
    parts.has_query = question != std::string_view::npos;
    reassign(parts.query, parts.has_query ? text.substr(question + 1) : std::string_view());
}

// The authority of the Host field; empty when there is none in HTTP/1.0. nullptr, or what is wrong.
const char* read_host(const RequestHead& request, std::string_view scheme, Target& target) {
    std::string_view host;
    std::size_t lines = 0;
    request.fields.for_each("Host", [&](std::string_view value) {
        host = value;
        ++lines;
    });
    // OPTIMIZATION: what is canonical stays as it is, so that a Host that was read before need not be read again.
    if (lines == 1 && target.canonical_for == default_port(scheme) && host == target.authority) {
        return nullptr;
    }
    target.authority.clear();
    target.canonical_for = 0;
    if (lines == 0) {
        // A request of HTTP/1.1 without Host is answered with 400. RFC 9112 section 3.2
        return request.version == Version::Http11 ? "Host is missing" : nullptr;
    }
    // So is a request with more than one, or with an invalid value. RFC 9112 section 3.2
    if (lines > 1) {
        return "Host is repeated";
    }
    const char* const fault = read_authority(host, scheme, target.authority);
    target.canonical_for = fault == nullptr ? default_port(scheme) : 0;
    return fault;
}

// absolute-form: its authority counts, and Host, which `target` has, must say the same. nullptr, or what is wrong.
const char* read_absolute(std::string_view text, Method method, std::string_view scheme, Target& target) {
    const auto target_scheme = strip_scheme(text);
    if (!target_scheme) {
        return "request target has no known form";
    }
    // A request for another scheme than the connection's is misdirected. RFC 9110 section 7.4
    if (*target_scheme != scheme) {
        return "scheme of the request target is not the listener's";
    }
    const std::size_t path_at = std::min(text.find_first_of("/?"), text.size());
    const std::string host = target.authority;
    if (const char* fault = read_authority(text.substr(0, path_at), scheme, target.authority)) {
        return fault;
    }
    // Host is sent identical to the authority of the target. RFC 9112 section 3.2
    // DEVIATION: a Host that differs is refused, where RFC 9112 section 3.2.2 would replace it.
    if (!host.empty() && host != target.authority) {
        return "Host differs from the request target";
    }
    const std::string_view path = text.substr(path_at);
    split_path_query(path, path.find('?'), target);
    if (target.path.empty()) {
        // OPTIONS for a URI without path and query is sent on as "*". RFC 9112 section 3.2.4
        const bool asks_for_server = method == Method::Options && !target.has_query;
        // Otherwise an empty path is sent as "/". RFC 9112 section 3.2.1
        target.path = asks_for_server ? "*" : "/";
    }
    return nullptr;
}

// A segment as the most eager recipient reads it: decoded, and a backslash is a slash.
void read_eagerly(std::string_view segment, std::string& out) {
    out.clear();
    for (std::size_t at = 0; at < segment.size();) {
        const int decoded = percent_decoded(segment, at);
        const char c = decoded < 0 ? segment[at] : static_cast<char>(decoded);
        out += c == '\\' ? '/' : c;
        at += decoded < 0 ? 1 : 3;
    }
}

// What a segment is to those who resolve ".." behind it.
enum class SegmentKind : char {
    Up,     // ".." for everybody
    Hidden, // has a ".." in it that is a segment for some
    Dot,    // "." for everybody
    Level,  // one level for everybody
    Unsure  // no level for some, or several
};

// `text` is the segment as it is read eagerly. Some servers cut the parameters behind a ';' off first.
SegmentKind kind_of(std::string_view text) noexcept {
    if (text == "..") {
        return SegmentKind::Up;
    }
    if (text == ".") {
        return SegmentKind::Dot;
    }
    const auto without_parameters = [](std::string_view part) { return part.substr(0, part.find(';')); };
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find('/', at), text.size());
        if (without_parameters(text.substr(at, end - at)) == "..") {
            return SegmentKind::Hidden;
        }
        at = end + 1;
    }
    const std::string_view name = without_parameters(text);
    const bool is_level = !name.empty() && name != "." && text.find('/') == std::string_view::npos;
    return is_level ? SegmentKind::Level : SegmentKind::Unsure;
}

// What is wrong with the ".." segments of a path; nullptr when nothing is. The path is put behind that of the origin's
// URL, and a server that resolves it there must neither leave that nor end elsewhere than at the path that was matched.
// So a ".." must be one for everybody, and take back what is one level for everybody.
const char* climbing_fault(std::string_view path) {
    constexpr const char* kUnsure =
        "'..' beside an encoded slash, a backslash, a ';' or an empty segment, which not every server reads alike";
    const auto has = [path](auto text) { return path.find(text) != std::string_view::npos; };
    const bool has_dots = has('.') && has("..");
    if (!has_dots && !(has('%') && (has("%2e") || has("%2E")))) {
        return nullptr;
    }
    std::string above; // the kinds of the segments that a ".." would take back, the next one last
    std::string text;
    for (std::size_t at = 1; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        read_eagerly(path.substr(at, end - at), text);
        at = end + 1;
        const SegmentKind kind = kind_of(text);
        if (kind == SegmentKind::Hidden) {
            return kUnsure;
        }
        if (kind == SegmentKind::Up) {
            if (above.empty()) {
                return "'..' segments climb above the root";
            }
            if (above.back() != static_cast<char>(SegmentKind::Level)) {
                return kUnsure;
            }
            above.pop_back();
        } else if (kind != SegmentKind::Dot) {
            above += static_cast<char>(kind);
        }
    }
    return nullptr;
}

} // namespace

std::string Target::origin_form() const {
    std::string text;
    text.reserve(path.size() + 1 + query.size());
    text += path;
    if (has_query) {
        text += '?';
        text += query;
    }
    return text;
}

std::optional<Error> parse_target(const RequestHead& request, std::string_view scheme,
                                  std::string_view default_authority, Target& out) {
    const std::string_view text = request.target;
    const TargetLook look = look_at(text);
    if (!look.is_plain && !is_encoded_text(text, kTargetChar)) {
        return bad("request target has a character that is not allowed");
    }
    if (const char* fault = read_host(request, scheme, out)) {
        return bad(fault);
    }
    // "*" is for OPTIONS only. RFC 9112 section 3.2.4
    const bool is_origin_form = text.starts_with('/') || (text == "*" && request.method_kind() == Method::Options);
    out.is_normal = is_origin_form && look.is_plain && look.is_path_normal;
    if (!is_origin_form) {
        out.canonical_for = 0;
        if (const char* fault = read_absolute(text, request.method_kind(), scheme, out)) {
            return bad(fault);
        }
    } else {
        if (out.authority.empty()) {
            // HTTP/1.0 without Host: the server's configured name. RFC 9112 section 3.3
            if (const char* fault = read_authority(default_authority, scheme, out.authority)) {
                return bad(fault);
            }
        }
        split_path_query(text, look.question, out);
    }
    // A path without '%' and backslash, in which no segment begins with a dot, has no ".." for anybody.
    const char* const fault = out.is_normal ? nullptr : climbing_fault(out.path);
    if (fault != nullptr) {
        return Error(ErrorKind::UnsafePath, fault);
    }
    return std::nullopt;
}

Result<Target> parse_target(const RequestHead& request, std::string_view scheme, std::string_view default_authority) {
    Target target;
    if (auto error = parse_target(request, scheme, default_authority, target)) {
        return *std::move(error);
    }
    return target;
}

Result<std::string> canonical_authority(std::string_view authority, std::string_view scheme) {
    std::string text;
    if (const char* fault = read_authority(authority, scheme, text)) {
        return bad(fault);
    }
    return text;
}

namespace {

// Appends one segment with percent-encodings in their normal form: decoded where the character is unreserved, else
// with upper-case digits. RFC 3986 section 6.2.2
void append_normalised(std::string_view segment, std::string& out) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::size_t at = 0;
    while (at < segment.size()) {
        const std::size_t percent = std::min(segment.find('%', at), segment.size());
        out.append(segment.substr(at, percent - at));
        at = percent;
        if (at == segment.size()) {
            return;
        }
        const int decoded = percent_decoded(segment, at);
        if (decoded < 0) {
            out += segment[at++];
            continue;
        }
        at += 3;
        const auto byte = static_cast<unsigned>(decoded);
        if (byte < 128 && has_class(static_cast<char>(byte), kUnreservedChar)) {
            out += static_cast<char>(byte);
        } else {
            out += '%';
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
}

} // namespace

// Empty segments go before dot segments are resolved, so that "/a//../b" is "/b": what a file system makes of it.
std::string normalised_path(std::string_view path) {
    if (!path.starts_with('/')) {
        return std::string(path);
    }
    std::string out = "/"; // always ends with '/' before a segment
    out.reserve(path.size());
    std::size_t at = 1;
    while (at < path.size()) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::size_t mark = out.size();
        append_normalised(path.substr(at, end - at), out);
        const std::string_view segment = std::string_view(out).substr(mark);
        // "." goes, and ".." goes with the segment before it. RFC 3986 section 5.2.4
        if (segment == ".") {
            out.resize(mark);
        } else if (segment == "..") {
            out.resize(mark == 1 ? 1 : out.rfind('/', mark - 2) + 1);
        } else if (!segment.empty() && end < path.size()) {
            out += '/';
        }
        at = end + 1;
    }
    return out;
}

std::string Url::authority() const {
    std::string text;
    const bool is_ipv6 = host.find(':') != std::string::npos;
    text += is_ipv6 ? "[" : "";
    text += host;
    text += is_ipv6 ? "]" : "";
    if (port != default_port(scheme)) {
        text += ':';
        text += std::to_string(port);
    }
    return text;
}

Result<Url> parse_url(std::string_view text) {
    if (!is_encoded_text(text, kTargetChar)) {
        return bad("URL has a character that is not allowed (space, '#', control or non-ASCII), or an incomplete "
                   "percent-encoding");
    }
    const auto scheme = strip_scheme(text);
    if (!scheme) {
        return bad("URL does not begin with http:// or https://");
    }
    const std::size_t path_at = std::min(text.find_first_of("/?"), text.size());
    HostPort parts;
    if (const char* fault = split_host_port(text.substr(0, path_at), parts)) {
        return bad(fault);
    }
    if (parts.port == 0) {
        return bad("port 0 cannot be connected to");
    }
    Url url;
    url.scheme = *scheme;
    url.host = lower(parts.host);
    if (url.host.starts_with('[')) {
        url.host = url.host.substr(1, url.host.size() - 2);
    }
    url.port = parts.port.value_or(default_port(*scheme));
    const std::string_view path = text.substr(path_at);
    split_path_query(path, path.find('?'), url);
    url.path_as_written = url.path.empty() ? "/" : url.path;
    url.path.erase(url.path.find_last_not_of('/') + 1); // all of it when there are only slashes
    return url;
}

} // namespace gatehouse::http
