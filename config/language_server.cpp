// The fields of everything but origins, policies and behaviors: sockets, memory, limits, timeouts, log.
#include "config/language.h"

#include "config/address.h"

namespace gatehouse::config {
namespace {

constexpr std::string_view kAddressExpected =
    "an IP address and port such as 0.0.0.0:8080 or [::1]:8080, or unix:/absolute/path of at most 107 bytes";

constexpr const char* kAddressPattern = "^(unix:/.{1,106}|.+:[0-9]{1,5})$";

std::optional<Address> read_address(const Spot& spot, Findings& findings) {
    const auto text = read_text(
        spot, findings, {kAddressExpected, [](std::string_view value) { return parse_address(value).has_value(); }});
    if (!text) return std::nullopt;
    return parse_address(*text);
}

// A Host as the admin listener compares it: a name or address without a port.
bool is_allowed_host(std::string_view text) {
    return text.size() <= 253 && text.find_first_of("/:@ \t") == std::string_view::npos;
}

bool is_power_of_two(std::uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

Field<MemoryCache> shards_field() {
    Field<MemoryCache> field =
        count<MemoryCache>({"shards", "Into how many independently locked parts the memory store is split."},
                           &MemoryCache::shards, {1, 256});
    field.description.accepted = "1, 2, 4, ... 256: a power of two";
    field.description.form.numbers = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    field.read = [](const Spot& spot, Findings& findings, MemoryCache& out) {
        const auto value = read_count(spot, findings, {1, 256});
        if (!value) return;
        if (!is_power_of_two(*value)) {
            findings.expected(spot, "a power of two from 1 to 256");
            return;
        }
        out.shards = static_cast<unsigned>(*value);
    };
    return field;
}

const Record<MemoryCache>& memory_fields() {
    static const Record<MemoryCache> kFields{
        size<MemoryCache>({"size", "Bytes for stored responses, the index and bodies in flight together. A container needs "
                                   "that and a tenth, relay_buffers, and 16MiB."},
                          &MemoryCache::size_bytes, {kMiB, 16 * 1024 * kGiB},
                          "a quarter of the memory this process may use, at most 1GiB"),
        size<MemoryCache>({"max_object_size", "A response larger than this is not kept in memory."},
                          &MemoryCache::max_object_bytes, {1, 16 * 1024 * kGiB}, "a quarter of size, at most 8MiB"),
        size<MemoryCache>({"relay_buffers", "Bytes for responses that pass through without being stored, and for what is "
                                            "read from the disk for one request."},
                          &MemoryCache::relay_bytes, {64 * kKiB, 1024 * kGiB}, "an eighth of size, at most 64MiB"),
        shards_field(),
        count<MemoryCache>({"max_variants", "The most stored responses of one key that differ by Vary."},
                           &MemoryCache::max_variants, {1, 10'000}),
    };
    return kFields;
}

const Record<DiskCache>& disk_fields() {
    static const Record<DiskCache> kFields{
        required(text<DiskCache>({"path", "The directory, which is made where it is not there. One process at a time "
                                          "uses it. A relative path starts at the directory of the YAML file."},
                                 &DiskCache::path, {"the path of a directory"}, "")),
        size<DiskCache>({"size", "Bytes on the disk. They are taken as the store grows, segment by segment."},
                        &DiskCache::size_bytes, {4 * kMiB, 1024 * 1024 * kGiB}),
        size<DiskCache>({"segment_size", "Bytes of one file. Another size than that of the files that are there "
                                         "begins anew."},
                        &DiskCache::segment_bytes, {kMiB, 256 * kMiB}),
        size<DiskCache>({"max_object_size", "A response larger than this is not written. One that memory does not take is "
                                            "written while it comes, if its length is known."},
                        &DiskCache::max_object_bytes, {1, 1024 * kGiB}, "an eighth of size, at most 1GiB"),
        size<DiskCache>({"write_budget", "How much is written in a second, on average over ten, so that a disk that "
                                         "wears lasts; what would be more is not kept on it. 0: no bound."},
                        &DiskCache::write_bytes_per_second, {0, 1024 * kGiB}),
        choice<DiskCache>({"verify", "When the checksum of a body is compared with its bytes: at its first read since the "
                                     "start, or each time."},
                          &DiskCache::verify_always,
                          std::vector<std::pair<std::string, bool>>{{"first_read", false}, {"always", true}}),
        choice<DiskCache>({"io", "How what is not in the kernel's memory is waited for: by io_uring, or by two threads, "
                                 "each of which waits for one read at a time. auto: io_uring where the kernel allows it."},
                          &DiskCache::io,
                          std::vector<std::pair<std::string, DiskCache::Io>>{{"auto", DiskCache::Io::Auto},
                                                                             {"threads", DiskCache::Io::Threads},
                                                                             {"io_uring", DiskCache::Io::IoUring}}),
        duration<DiskCache>({"pin_timeout", "How long clients are still sent a body from a segment whose place was "
                                            "given to newer responses, which keeps its space taken. Then they get the "
                                            "rest from the origin, if it has a strong validator, or are cut."},
                            &DiskCache::pin_timeout, kWait),
    };
    return kFields;
}

} // namespace

const Record<Listener>& listener_fields() {
    static const Record<Listener> kFields = [] {
        Field<Listener> address;
        address.description = {"address", "address", "",
                               "Where clients connect. Port 0 lets the system choose a free one.",
                               std::string(kAddressExpected)};
        address.description.form.pattern = kAddressPattern;
        address.read = [](const Spot& spot, Findings& findings, Listener& out) {
            if (auto value = read_address(spot, findings)) out.address = std::move(*value);
        };
        return Record<Listener>{required(std::move(address))};
    }();
    return kFields;
}

const Record<Admin>& admin_fields() {
    static const Record<Admin> kFields = [] {
        Field<Admin> address;
        address.description = {"address", "address", "not set: no admin listener",
                               "Where /healthz, /readyz, /metrics and purge are answered. Keep it on a loopback "
                               "address or a Unix socket.",
                               std::string(kAddressExpected)};
        address.description.form.pattern = kAddressPattern;
        address.read = [](const Spot& spot, Findings& findings, Admin& out) {
            if (auto value = read_address(spot, findings)) out.address = std::move(*value);
        };
        return Record<Admin>{
            address,
            texts<Admin>({"allowed_hosts", "Host names the admin listener answers to beside IP addresses and "
                                           "localhost; other names are refused, so that web pages cannot reach it."},
                         &Admin::allowed_hosts,
                         {"a host name without a port", is_allowed_host, "^[^/:@ \\t]{1,253}$"})};
    }();
    return kFields;
}

const Record<Cache>& cache_fields() {
    static const Record<Cache> kFields{
        mapping<Cache>({"memory", "The store in memory."}, &Cache::memory, memory_fields()),
        mapping<Cache>({"disk", "A store below the one in memory, which keeps what memory evicts, and over a restart; "
                                "see [DISK.md](DISK.md). Without it there is none."},
                       &Cache::disk, disk_fields()),
    };
    return kFields;
}

const Record<Dns>& dns_fields() {
    static const Record<Dns> kFields{
        texts<Dns>({"servers", "Name servers to ask; an empty list means those of resolv.conf."}, &Dns::servers,
                   {"an IP address with an optional port such as 192.0.2.53 or [2001:db8::53]:5353", is_dns_server,
                    R"(^[0-9A-Fa-f.:\[\]]+$)"}),
        duration<Dns>({"min_ttl", "An answer is used at least this long, even if its TTL is shorter."}, &Dns::min_ttl,
                      kOptionalWait),
        duration<Dns>({"max_ttl", "An answer is used at most this long, even if its TTL is longer."}, &Dns::max_ttl,
                      kWait),
        duration<Dns>({"stale", "How long the last good answer is used while the resolver fails."}, &Dns::stale,
                      {Milliseconds(0), 30 * kOneDay}),
        duration<Dns>({"timeout", "How long one query may take."}, &Dns::timeout, kWait),
    };
    return kFields;
}

const Record<Limits>& limit_fields() {
    static const Record<Limits> kFields{
        size<Limits>({"head_size", "The longest request line and fields together."}, &Limits::head_bytes,
                     {kKiB, 16 * kMiB}),
        size<Limits>({"target_size", "The longest request target."}, &Limits::target_bytes, {64, 16 * kMiB}),
        count<Limits>({"head_fields", "The most fields in a request."}, &Limits::head_fields, {8, 10'000}),
        size<Limits>({"response_head_size", "The longest status line and fields of an origin's response."},
                     &Limits::response_head_bytes, {kKiB, 16 * kMiB}),
        count<Limits>({"response_head_fields", "The most fields in an origin's response."},
                      &Limits::response_head_fields, {8, 10'000}),
        count<Limits>({"connections", "The most client connections, all listeners together."}, &Limits::connections,
                      {1, 10'000'000}),
        size<Limits>({"drain_size", "How much of a request body, or of an origin's answer, that nobody wants is "
                                    "read to keep the connection; after that it is closed."},
                     &Limits::drain_bytes, {0, kGiB}),
        size<Limits>(
            {"unsent_size", "How much of its response the kernel takes for a client that does not keep up "
                            "(TCP_NOTSENT_LOWAT). Less costs more system calls for large responses; more costs "
                            "kernel memory for each client that stalls."},
            &Limits::unsent_bytes, {16 * kKiB, kGiB}),
        size<Limits>({"keyed_content_size", "How much content of cached POSTs is held in memory at one time, of all "
                                            "clients together; what comes beyond it is forwarded uncached."},
                     &Limits::keyed_content_bytes, {0, kGiB}),
        size<Limits>({"replay_size", "How much of a request body is kept so that the request can be sent again."},
                     &Limits::replay_bytes, {0, 64 * kMiB}),
        count<Limits>({"waiters_per_fetch", "The most requests that wait for one fetch; more go to the origin alone."},
                      &Limits::waiters_per_fetch, {1, 10'000'000}),
        count<Limits>({"interim_responses", "The most 1xx responses an origin may send before its final one."},
                      &Limits::interim_responses, {0, 1000}),
    };
    return kFields;
}

const Record<Timeouts>& timeout_fields() {
    static const Record<Timeouts> kFields{
        duration<Timeouts>({"header", "From the first byte of a request head to its end."}, &Timeouts::header, kWait),
        duration<Timeouts>({"idle", "How long a client connection may wait between requests."}, &Timeouts::idle, kWait),
        duration<Timeouts>({"body", "How long a client may pause within a request body."}, &Timeouts::body, kWait),
        duration<Timeouts>({"send", "How long a client may take nothing of a response that is waiting for it."},
                           &Timeouts::send, kWait),
        duration<Timeouts>({"tunnel_idle", "How long an upgraded connection may be silent in both directions."},
                           &Timeouts::tunnel_idle, kWait),
        duration<Timeouts>({"slow_reader", "How long a fetch that several clients read waits for the slowest of them "
                                           "before it goes on without it."},
                           &Timeouts::slow_reader, kWait),
        duration<Timeouts>({"expect_continue", "How long the origin's 100 (Continue) is waited for before the body is "
                                               "sent anyway."},
                           &Timeouts::expect_continue, kOptionalWait),
        duration<Timeouts>({"shutdown", "How long running requests may take to finish after SIGTERM."},
                           &Timeouts::shutdown, kOptionalWait),
        duration<Timeouts>({"uncacheable_memory", "How long a key whose response could not be stored is remembered, "
                                                  "so that its requests do not wait for each other."},
                           &Timeouts::uncacheable_memory, kOptionalWait),
    };
    return kFields;
}

const Record<AccessLog>& access_log_fields() {
    static const Record<AccessLog> kFields{
        boolean<AccessLog>({"enabled", "Whether one JSON line is written for each request."}, &AccessLog::enabled),
        text<AccessLog>({"path", "The file it is appended to; - is standard output. A relative path starts at the "
                                 "directory of the YAML file."},
                        &AccessLog::path, {"a path, or -"}, "-"),
        count<AccessLog>({"queue_records", "How many lines each worker holds for the disk; more are dropped and "
                                           "counted."},
                         &AccessLog::queue_records, {1, 1'000'000}),
    };
    return kFields;
}

} // namespace gatehouse::config
