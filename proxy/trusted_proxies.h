// The networks whose X-Forwarded-* and Forwarded fields are believed (trusted_proxies in the YAML).
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <string>
#include <vector>

namespace gatehouse::proxy {

class TrustedProxies {
public:
    // Each CIDR has been checked by the loader; one that does not parse is left out.
    explicit TrustedProxies(const std::vector<std::string>& networks);
    // An IPv4 address in IPv6 form (::ffff:192.0.2.1) counts as the IPv4 address.
    bool contains(const boost::asio::ip::address& address) const;

private:
    std::vector<boost::asio::ip::network_v4> v4_;
    std::vector<boost::asio::ip::network_v6> v6_;
};

} // namespace gatehouse::proxy
