#include "proxy/authorized_requests.h"

#include "http/list_parser.h"

#include <boost/asio/ip/address.hpp>
#include <openssl/crypto.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::proxy {

namespace {

using boost::asio::ip::address;

bool is_same_secret(std::string_view given, std::string_view secret) noexcept {
    return given.size() == secret.size() && CRYPTO_memcmp(given.data(), secret.data(), secret.size()) == 0;
}

std::optional<address> parse_address(std::string_view text) {
    boost::system::error_code error;
    const address parsed = boost::asio::ip::make_address(std::string(text), error);
    return error ? std::nullopt : std::optional(parsed);
}

// nullopt: nobody that could be in a network.
std::optional<address> client_of(const http::RequestHead& request, std::string_view peer,
                                 const TrustedProxies& trusted) {
    const auto connected = parse_address(peer);
    if (!connected || !trusted.contains(*connected)) {
        return connected;
    }
    const auto hops = http::list_members(request.fields, "X-Forwarded-For");
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
        const auto parsed = parse_address(*hop);
        if (!parsed || !trusted.contains(*parsed)) {
            return parsed;
        }
    }
    return std::nullopt; // a proxy that does not say for whom it asks
}

} // namespace

bool is_authorized(const config::AuthorizedRequests& rules, const http::RequestHead& request, std::string_view peer,
                   const TrustedProxies& trusted) {
    const auto given = request.fields.first(rules.header);
    if (given && std::any_of(rules.secrets.begin(), rules.secrets.end(),
                             [&](const std::string& secret) { return is_same_secret(*given, secret); })) {
        return true;
    }
    if (rules.networks.empty()) {
        return false;
    }
    const auto client = client_of(request, peer, trusted);
    // Read anew each time: only requests that ask for something come here.
    return client && TrustedProxies(rules.networks).contains(*client);
}

} // namespace gatehouse::proxy
