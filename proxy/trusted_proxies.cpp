// CIDR matching with Asio's network types.
#include "proxy/trusted_proxies.h"

namespace gatehouse::proxy {

namespace ip = boost::asio::ip;

TrustedProxies::TrustedProxies(const std::vector<std::string>& networks) {
    for (const std::string& text : networks) {
        boost::system::error_code ec;
        if (text.find(':') == std::string::npos) {
            const auto network = ip::make_network_v4(text, ec);
            if (!ec) {
                v4_.push_back(network.canonical());
            }
        } else {
            const auto network = ip::make_network_v6(text, ec);
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
            constexpr unsigned short kMappedBits = 96;
            if (!ec && network.address().is_v4_mapped() && network.prefix_length() >= kMappedBits) {
                const auto length = static_cast<unsigned short>(network.prefix_length() - kMappedBits);
                v4_.push_back(
                    ip::network_v4(ip::make_address_v4(ip::v4_mapped, network.address()), length).canonical());
            } else if (!ec) {
                v6_.push_back(network.canonical());
            }
        }
    }
}

bool TrustedProxies::contains(const ip::address& address) const {
    if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
        for (const auto& network : v6_) {
            // A host is in a network when its own network of that length is the same one.
            if (ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network) {
                return true;
            }
        }
        return false;
    }
    const ip::address_v4 v4 =
        address.is_v4() ? address.to_v4() : ip::make_address_v4(ip::v4_mapped, address.to_v6());
    for (const auto& network : v4_) {
        if (ip::network_v4(v4, network.prefix_length()).canonical() == network) {
            return true;
        }
    }
    return false;
}

} // namespace gatehouse::proxy
