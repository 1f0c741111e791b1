// Addresses and networks as the configuration writes them. Literals only: nothing here resolves a name.
#pragma once

#include "config/config.h"

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::config {

// "0.0.0.0:8080", "[::1]:8080", "unix:/run/gatehouse.sock" (at most 107 bytes of path, what sun_path holds). Port 0
// asks the system for a free one. The host is in its canonical text. nullopt for everything else.
std::optional<Address> parse_address(std::string_view text);

// "10.0.0.0/8", "2001:db8::/32" or a single address; canonical text with the host bits cleared and the length
// always present: "10.1.2.3/8" gives "10.0.0.0/8", "::1" gives "::1/128".
std::optional<std::string> parse_cidr(std::string_view text);

// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:53"; the port is 1 to 65535.
bool is_dns_server(std::string_view text);

// Equal for two listening addresses that would ask the system for the same thing; "" for port 0, which never does.
std::string endpoint_key(const Address& address);

} // namespace gatehouse::config
