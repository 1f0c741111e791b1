// The fields of `origins`.
#include "config/language.h"

#include "http/ascii.h"
#include "http/target.h"

namespace gatehouse::config {
namespace {

constexpr std::string_view kUrlExpected = "a URL such as https://abc123.execute-api.eu-west-1.amazonaws.com/prod";
constexpr NumberRange kConnections{1, 1'000'000};

bool is_host_name(std::string_view text) {
    if (text.size() > 253) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        const char low = http::to_lower(c);
        return (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || c == '-' || c == '.' || c == '_' || c == ':';
    });
}

// What is wrong with the url in words, or nothing when only the parser can tell.
std::string_view url_objection(std::string_view text) {
    if (text.find('#') != std::string_view::npos) return "an origin's url has no fragment (`#`)";
    if (text.find('?') != std::string_view::npos) return "an origin's url has no query (`?`)";
    const std::size_t start = text.find("://");
    if (start == std::string_view::npos) return "";
    const std::string_view rest = text.substr(start + 3);
    if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos) {
        return "an origin's url has no user name or password (`@`)";
    }
    return "";
}

void read_url(const Spot& spot, Findings& findings, Origin& out) {
    const auto text = read_scalar(spot, findings, kUrlExpected);
    if (!text) return;
    if (const std::string_view objection = url_objection(*text); !objection.empty()) {
        findings.fail(spot, std::string(objection) + "; found " + describe_found(*spot.node));
        return;
    }
    auto url = http::parse_url(*text);
    if (!url.ok() || url->host.empty() || url->port == 0) {
        findings.expected(spot, kUrlExpected);
        return;
    }
    out.url = *text;
    out.tls = url->scheme == "https";
    out.host = url->host;
    out.port = url->port;
    out.authority = url->authority();
    out.path = url->path;
    findings.accept(spot);
}

Field<Origin> url_field() {
    Field<Origin> field;
    field.description = {"url", "URL", "",
                         "Where the origin is: http or https, host, optional port, and a path that is put in front of "
                         "every request's path. Host and SNI follow it.",
                         std::string(kUrlExpected)};
    field.description.form.pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$";
    field.read = read_url;
    return required(std::move(field));
}

} // namespace

const Record<Origin>& origin_fields() {
    static const Record<Origin> kFields{
        url_field(),
        duration<Origin>({"connect_timeout", "How long finding the address, TCP and TLS may take together."},
                         at(&Origin::timeouts, &OriginTimeouts::connect), kWait),
        duration<Origin>(
            {"first_byte_timeout", "How long the origin may take from the end of the request to a complete "
                                   "response head."},
            at(&Origin::timeouts, &OriginTimeouts::first_byte), kWait),
        duration<Origin>({"between_bytes_timeout", "How long the origin may pause within a response body."},
                         at(&Origin::timeouts, &OriginTimeouts::between_bytes), kWait),
        duration<Origin>({"total_timeout", "How long the whole exchange with the origin may take; 0s sets no limit."},
                         at(&Origin::timeouts, &OriginTimeouts::total), kOptionalWait),
        text<Origin>({"ca_file", "Certificates in PEM that sign this origin's certificate. A relative path starts at "
                                 "the directory of the YAML file."},
                     at(&Origin::tls_options, &OriginTls::ca_file), {"the path of a readable file"},
                     "the system's roots"),
        boolean<Origin>({"verify", "Whether the origin's certificate and name are verified."},
                        at(&Origin::tls_options, &OriginTls::verify)),
        text<Origin>({"server_name", "The name sent as SNI and looked for in the certificate."},
                     at(&Origin::tls_options, &OriginTls::server_name),
                     {"a host name", is_host_name, "^[A-Za-z0-9._:-]{1,253}$"}, "the host of the url"),
        count<Origin>({"max_connections", "The most connections to this origin, all workers together."},
                      &Origin::max_connections, kConnections),
        count<Origin>({"max_idle_connections", "The most unused connections each worker keeps open to this origin."},
                      &Origin::max_idle_connections, {0, 1'000'000}),
        duration<Origin>({"idle_timeout", "How long an unused connection is kept open."}, &Origin::idle_timeout,
                         kOptionalWait),
    };
    return kFields;
}

} // namespace gatehouse::config
