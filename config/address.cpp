// Literals of addresses and networks, checked by the system's own inet_pton.
#include "config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstddef>

namespace gatehouse::config {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kLongestUnixPath = sizeof(sockaddr_un{}.sun_path) - 1;

struct Ip {
    int family = AF_INET;
    std::array<unsigned char, 16> bytes{};
    unsigned bits() const noexcept { return family == AF_INET ? 32 : 128; }
};

std::optional<Ip> parse_ip(std::string_view text) {
    Ip ip;
    const std::string copy(text);
    // inet_pton stops at a NUL byte and would take what stands before it for the whole.
    if (copy.find('\0') != std::string::npos) return std::nullopt;
    ip.family = copy.find(':') == std::string::npos ? AF_INET : AF_INET6;
    if (inet_pton(ip.family, copy.c_str(), ip.bytes.data()) != 1) return std::nullopt;
    return ip;
}

std::string ip_text(const Ip& ip) {
    char buffer[INET6_ADDRSTRLEN];
    if (inet_ntop(ip.family, ip.bytes.data(), buffer, sizeof buffer) == nullptr) return "";
    return buffer;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
    unsigned value = 0;
    if (text.empty() || text.size() > 5) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

struct HostPort {
    std::string_view host;
    std::string_view port;
    bool bracketed = false;
};

// At the last colon; an IPv6 address must be in brackets, or its last group would pass for a port.
std::optional<HostPort> split_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    HostPort out{text.substr(0, colon), text.substr(colon + 1), false};
    if (out.host.size() >= 2 && out.host.front() == '[' && out.host.back() == ']') {
        out.host = out.host.substr(1, out.host.size() - 2);
        out.bracketed = true;
    }
    if (out.bracketed != (out.host.find(':') != std::string_view::npos)) return std::nullopt;
    return out;
}

std::optional<Address> parse_unix(std::string_view text) {
    const std::string_view path = text.substr(kUnixPrefix.size());
    const bool usable = path.size() > 1 && path.front() == '/' && path.size() <= kLongestUnixPath &&
                        path.find('\0') == std::string_view::npos;
    if (!usable) return std::nullopt;
    Address out;
    out.kind = Address::Kind::Unix;
    out.path = path;
    out.text = text;
    return out;
}

void clear_host_bits(Ip& ip, unsigned length) {
    for (unsigned bit = length; bit < ip.bits(); ++bit) {
        const auto mask = static_cast<unsigned char>(~(0x80U >> (bit % 8)));
        ip.bytes[bit / 8] = static_cast<unsigned char>(ip.bytes[bit / 8] & mask);
    }
}

} // namespace

std::optional<Address> parse_address(std::string_view text) {
    if (text.substr(0, kUnixPrefix.size()) == kUnixPrefix) return parse_unix(text);
    const auto parts = split_port(text);
    if (!parts) return std::nullopt;
    const auto ip = parse_ip(parts->host);
    const auto port = parse_number(parts->port, 65535);
    if (!ip || !port) return std::nullopt;
    Address out;
    out.host = ip_text(*ip);
    out.port = static_cast<std::uint16_t>(*port);
    out.text = text;
    return out;
}

std::optional<std::string> parse_cidr(std::string_view text) {
    const std::size_t slash = text.find('/');
    auto ip = parse_ip(text.substr(0, slash));
    if (!ip) return std::nullopt;
    unsigned length = ip->bits();
    if (slash != std::string_view::npos) {
        const auto written = parse_number(text.substr(slash + 1), ip->bits());
        if (!written) return std::nullopt;
        length = *written;
    }
    clear_host_bits(*ip, length);
    return ip_text(*ip) + "/" + std::to_string(length);
}

bool is_dns_server(std::string_view text) {
    if (parse_ip(text)) return true;
    const auto parts = split_port(text);
    if (!parts || !parse_ip(parts->host)) return false;
    const auto port = parse_number(parts->port, 65535);
    return port && *port != 0;
}

std::string endpoint_key(const Address& address) {
    if (address.kind == Address::Kind::Unix) return "unix:" + address.path;
    if (address.port == 0) return "";
    return "[" + address.host + "]:" + std::to_string(address.port);
}

} // namespace gatehouse::config
