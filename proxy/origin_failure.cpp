#include "proxy/origin_failure.h"

#include <spdlog/spdlog.h>

namespace gatehouse::proxy {

void log_origin_failure(std::string_view origin, std::string_view address, std::string_view stage,
                        const http::Error& error) {
    std::string_view advice = "check that the origin is up and reachable";
    switch (error.kind) {
    case http::ErrorKind::DnsError:
    case http::ErrorKind::DnsTimeout: advice = "check the name in url and dns.servers"; break;
    case http::ErrorKind::TlsCertificateError:
        advice = "check ca_file, server_name and the origin's certificate";
        break;
    case http::ErrorKind::ConnectionTimeout:
    case http::ErrorKind::ResponseTimeout:
        advice = "the origin is slow; see first_byte_timeout, between_bytes_timeout, connect_timeout";
        break;
    case http::ErrorKind::ProtocolError:
    case http::ErrorKind::ResponseHeadTooLarge: advice = "the origin does not answer in well-formed HTTP/1.1"; break;
    default: break;
    }
    spdlog::warn("origin failed: origin={} address={} stage={} error={} detail=\"{}\" advice=\"{}\"", origin,
                 address.empty() ? "-" : address, stage, http::to_string(error.kind), error.detail, advice);
}

} // namespace gatehouse::proxy
