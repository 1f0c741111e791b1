// The table of metrics, and the two functions that walk it: the exposition text and its documentation.
#include "proxy/metrics.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

namespace gatehouse::proxy {

namespace {

using cache::policy::Reason;

constexpr std::size_t kResults = static_cast<std::size_t>(RequestResult::kCount);
constexpr std::size_t kErrors = static_cast<std::size_t>(http::ErrorKind::Internal) + 1;
static_assert(kErrors <= CoreMetrics::kErrorKinds);

// Label value of requests that were refused before a behavior was chosen for them; no path pattern looks like this.
constexpr std::string_view kUnrouted = "(none)";
constexpr std::string_view kClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::size_t kClassCount = std::size(kClasses);

// One behavior label and the index of every behavior that has it.
using Series = std::map<std::string_view, std::vector<std::size_t>>;

struct Facts {
    std::span<const CoreMetrics* const> cores;
    Series behaviors;
    const cache::store::StoreStats& store;
    const cache::store::DiskStats& disk;
    std::uint64_t config_generation;
    const ProcessMetrics& process;
};

// Appends the samples of one metric.
class Samples {
public:
    Samples(std::string& out, std::string_view name, const Facts& facts) : out_(out), name_(name), facts_(facts) {}

    const Facts& facts() const noexcept { return facts_; }

    void add(std::uint64_t value, std::string_view suffix = {}) {
        begin(suffix);
        end(value);
    }
    void add(std::string_view label, std::string_view text, std::uint64_t value) {
        begin({});
        labels(label, text);
        out_ += '}';
        end(value);
    }
    void add(std::string_view label, std::string_view text, std::string_view label2, std::string_view text2,
             std::uint64_t value) {
        begin({});
        labels(label, text);
        out_ += ',';
        pair(label2, text2);
        out_ += '}';
        end(value);
    }
    // Microseconds as the seconds Prometheus wants: "1.000250".
    void add_seconds(std::uint64_t micros, std::string_view suffix = {}) {
        begin(suffix);
        out_ += ' ';
        integer(micros / 1'000'000);
        out_ += '.';
        const std::string fraction = std::to_string(micros % 1'000'000);
        out_.append(6 - fraction.size(), '0');
        out_ += fraction;
        out_ += '\n';
    }
    // The sum over cores of what `counter` picks out of one.
    template <class Pick>
    std::uint64_t sum(Pick&& pick) const {
        std::uint64_t total = 0;
        for (const CoreMetrics* core : facts_.cores) {
            total += pick(*core).value();
        }
        return total;
    }

private:
    void begin(std::string_view suffix) {
        out_ += name_;
        out_ += suffix;
    }
    void end(std::uint64_t value) {
        out_ += ' ';
        integer(value);
        out_ += '\n';
    }
    void labels(std::string_view label, std::string_view text) {
        out_ += '{';
        pair(label, text);
    }
    void pair(std::string_view label, std::string_view text) {
        out_ += label;
        out_ += "=\"";
        for (const char c : text) {
            switch (c) {
            case '\\': out_ += "\\\\"; break;
            case '"': out_ += "\\\""; break;
            case '\n': out_ += "\\n"; break;
            default: out_ += c;
            }
        }
        out_ += '"';
    }
    void integer(std::uint64_t value) {
        std::array<char, 24> digits;
        const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
        out_.append(digits.data(), end);
    }

    std::string& out_;
    std::string_view name_;
    const Facts& facts_;
};

struct Metric {
    std::string_view name;
    std::string_view type;
    std::string_view labels;
    std::string_view help;
    void (*render)(Samples&);
};

template <Counter CoreMetrics::*Member>
void render_sum(Samples& samples) {
    samples.add(samples.sum([](const CoreMetrics& core) -> const Counter& { return core.*Member; }));
}

template <std::uint64_t cache::store::StoreStats::*Member>
void render_store(Samples& samples) {
    samples.add(samples.facts().store.*Member);
}

template <std::uint64_t cache::store::DiskStats::*Member>
void render_disk(Samples& samples) {
    samples.add(samples.facts().disk.*Member);
}

void render_disk_reads(Samples& samples) {
    const cache::store::DiskStats& disk = samples.facts().disk;
    samples.add("by", "loop", disk.read_at_once);
    samples.add("by", "reader", disk.read_by_readers);
}

void render_not_written(Samples& samples) {
    const cache::store::DiskStats& disk = samples.facts().disk;
    samples.add("reason", "first_time", disk.not_admitted);
    samples.add("reason", "queue", disk.over_queue);
    samples.add("reason", "too_large", disk.too_large);
    samples.add("reason", "write_budget", disk.over_write_budget);
}

void render_disk_errors(Samples& samples) {
    samples.add("operation", "read", samples.facts().disk.read_errors);
    samples.add("operation", "write", samples.facts().disk.write_errors);
}

void render_disk_writable(Samples& samples) { samples.add(samples.facts().disk.is_failing ? 0 : 1); }

template <std::array<Counter, cache::policy::kReasonCount> CoreMetrics::*Member>
void render_reasons(Samples& samples) {
    for (std::size_t index = 1; index < cache::policy::kReasonCount; ++index) { // 0 is Reason::None
        samples.add("reason", cache::policy::to_string(static_cast<Reason>(index)),
                    samples.sum([index](const CoreMetrics& core) -> const Counter& { return (core.*Member)[index]; }));
    }
}

void render_requests(Samples& samples) {
    for (const auto& [name, indices] : samples.facts().behaviors) {
        for (std::size_t result = 0; result < kResults; ++result) {
            std::uint64_t total = 0;
            for (const std::size_t index : indices) {
                total += samples.sum([index, result](const CoreMetrics& core) -> const Counter& {
                    return core.behaviors[index].results[result];
                });
            }
            samples.add("behavior", name, "result", to_string(static_cast<RequestResult>(result)), total);
        }
    }
}

void render_responses(Samples& samples) {
    for (const auto& [name, indices] : samples.facts().behaviors) {
        for (std::size_t status_class = 0; status_class < kClassCount; ++status_class) {
            std::uint64_t total = 0;
            for (const std::size_t index : indices) {
                total += samples.sum([index, status_class](const CoreMetrics& core) -> const Counter& {
                    return core.behaviors[index].status_classes[status_class];
                });
            }
            samples.add("behavior", name, "class", kClasses[status_class], total);
        }
    }
}

// The client's own faults never end up here: they have no origin.
bool is_origin_error(http::ErrorKind kind) noexcept { return http::source_of(kind) != http::ErrorSource::Downstream; }

void render_origin_errors(Samples& samples) {
    for (std::size_t index = 0; index < kErrors; ++index) {
        const auto kind = static_cast<http::ErrorKind>(index);
        if (is_origin_error(kind)) {
            samples.add("kind", http::to_string(kind), samples.sum([index](const CoreMetrics& core) -> const Counter& {
                return core.origin_errors[index];
            }));
        }
    }
}

void render_loop_lag(Samples& samples) {
    samples.add_seconds(samples.sum([](const CoreMetrics& core) -> const Counter& { return core.loop_lag_sum_us; }),
                        "_sum");
    samples.add(samples.sum([](const CoreMetrics& core) -> const Counter& { return core.loop_ticks; }), "_count");
}

void render_loop_lag_max(Samples& samples) {
    std::uint64_t largest = 0;
    for (const CoreMetrics* core : samples.facts().cores) {
        largest = std::max(largest, core->loop_lag_max_us.value());
    }
    samples.add_seconds(largest);
}

void render_build_info(Samples& samples) { samples.add("version", GATEHOUSE_VERSION, 1); }
void render_generation(Samples& samples) { samples.add(samples.facts().config_generation); }
void render_log_lost(Samples& samples) { samples.add(samples.facts().process.access_log_lost); }
void render_escaped(Samples& samples) { samples.add(samples.facts().process.escaped_exceptions); }

using Stats = cache::store::StoreStats;

// THE table. Names end as Prometheus wants them: _total for what only grows, the unit before it.
constexpr Metric kMetrics[] = {
    {"gatehouse_build_info", "gauge", "version", "Always 1; the label says which version runs.", render_build_info},
    {"gatehouse_config_generation", "gauge", "", "Number of the configuration in use; every reload adds one.",
     render_generation},
    {"gatehouse_requests_total", "counter", "behavior, result",
     "Requests by behavior and by what the cache did: hit, miss, stale, refresh_hit (a 304 renewed it), bypass, error.",
     render_requests},
    {"gatehouse_responses_total", "counter", "behavior, class",
     "Responses sent to clients by class of status; none where no response could be sent.", render_responses},
    {"gatehouse_forward_reasons_total", "counter", "reason",
     "Requests by the reason that Cache-Status gives: why the cache did not answer, or why it answered stale.",
     render_reasons<&CoreMetrics::reasons>},
    {"gatehouse_not_stored_total", "counter", "reason", "Responses of origins that were not stored, by reason.",
     render_reasons<&CoreMetrics::store_reasons>},
    {"gatehouse_stored_total", "counter", "", "Responses of origins that were stored.",
     render_sum<&CoreMetrics::stored>},
    {"gatehouse_collapsed_total", "counter", "", "Requests answered by a fetch that another request had started.",
     render_sum<&CoreMetrics::collapsed>},
    {"gatehouse_bad_requests_total", "counter", "",
     "Requests refused as malformed or too large before they were routed.", render_sum<&CoreMetrics::bad_requests>},
    {"gatehouse_store_objects", "gauge", "", "Responses in the store.", render_store<&Stats::objects>},
    {"gatehouse_store_bytes", "gauge", "",
     "Bytes charged to the store: heads, bodies, index, ghosts, bodies in flight and evicted bodies still being read.",
     render_store<&Stats::bytes_used>},
    {"gatehouse_store_limit_bytes", "gauge", "", "The most bytes the store may take.",
     render_store<&Stats::bytes_limit>},
    {"gatehouse_store_insertions_total", "counter", "", "Responses put into the store.",
     render_store<&Stats::insertions>},
    {"gatehouse_store_evictions_total", "counter", "", "Responses removed from the store to make room.",
     render_store<&Stats::evictions>},
    {"gatehouse_store_ghost_hits_total", "counter", "",
     "Insertions of a key that had been evicted shortly before: many of them mean that the store is too small.",
     render_store<&Stats::ghost_hits>},
    {"gatehouse_origin_requests_total", "counter", "", "Requests sent to origins.",
     render_sum<&CoreMetrics::origin_requests>},
    {"gatehouse_origin_connects_total", "counter", "", "Connections opened to origins.",
     render_sum<&CoreMetrics::origin_connects>},
    {"gatehouse_origin_reuses_total", "counter", "", "Requests sent over a connection that was kept open.",
     render_sum<&CoreMetrics::origin_reuses>},
    {"gatehouse_origin_retries_total", "counter", "", "Requests sent to an origin once more after a failure.",
     render_sum<&CoreMetrics::origin_retries>},
    {"gatehouse_origin_errors_total", "counter", "kind", "Failed requests to origins by kind of failure.",
     render_origin_errors},
    {"gatehouse_connections", "gauge", "", "Client connections that are open.",
     render_sum<&CoreMetrics::connections_open>},
    {"gatehouse_connections_accepted_total", "counter", "", "Client connections accepted.",
     render_sum<&CoreMetrics::connections_accepted>},
    {"gatehouse_connections_refused_total", "counter", "",
     "Client connections closed at once because limits.connections was reached.",
     render_sum<&CoreMetrics::connections_refused>},
    {"gatehouse_accept_failures_total", "counter", "",
     "Connections that could not be accepted, for lack of descriptors for instance.",
     render_sum<&CoreMetrics::accept_failures>},
    {"gatehouse_slow_readers_cut_total", "counter", "",
     "Clients cut because a fetch waited longer than timeouts.slow_reader for them.",
     render_sum<&CoreMetrics::slow_readers_cut>},
    {"gatehouse_tunnels_total", "counter", "", "Connections switched to another protocol, such as WebSocket.",
     render_sum<&CoreMetrics::tunnels>},
    {"gatehouse_sent_bytes_total", "counter", "", "Bytes sent to clients.", render_sum<&CoreMetrics::bytes_sent>},
    {"gatehouse_received_bytes_total", "counter", "", "Bytes received from clients.",
     render_sum<&CoreMetrics::bytes_received>},
    {"gatehouse_purges_total", "counter", "", "Purges by an operator.", render_sum<&CoreMetrics::purges>},
    {"gatehouse_access_log_dropped_total", "counter", "",
     "Exchanges missing in the access log because its queue was full (access_log.queue_records).",
     render_sum<&CoreMetrics::access_log_dropped>},
    {"gatehouse_access_log_lost_total", "counter", "",
     "Lines of the access log that could not be written, on a full disk for instance.", render_log_lost},
    {"gatehouse_loop_lag_seconds", "summary", "",
     "How late the ticks of the event loops came, ten a second and core: sum and number.", render_loop_lag},
    {"gatehouse_loop_lag_max_seconds", "gauge", "",
     "The largest delay of a tick of an event loop in the last one to two minutes.", render_loop_lag_max},
    {"gatehouse_escaped_exceptions_total", "counter", "", "Exceptions nobody caught; each one is a bug.",
     render_escaped},
};

using Disk = cache::store::DiskStats;

// Only where there is a disk store.
constexpr Metric kDiskMetrics[] = {
    {"gatehouse_disk_objects", "gauge", "", "Responses on the disk.", render_disk<&Disk::objects>},
    {"gatehouse_disk_index_bytes", "gauge", "", "Memory of the index of what is on the disk.",
     render_disk<&Disk::bytes_index>},
    {"gatehouse_disk_reads_total", "counter", "by",
     "Responses read from the disk: on the event loop, because they were in the kernel's memory, or by a thread that may "
     "wait for the disk. Of large ones the head, unless that is still in memory.",
     render_disk_reads},
    {"gatehouse_disk_file_hits_total", "counter", "",
     "Hits on large responses, whose bodies are sent from their files by the kernel.", render_disk<&Disk::from_files>},
    {"gatehouse_disk_reads_in_vain_total", "counter", "",
     "Responses read from the disk and not used, because another one was stored or purged meanwhile.",
     render_disk<&Disk::read_in_vain>},
    {"gatehouse_disk_reads_refused_total", "counter", "",
     "Requests that went to the origin because too many others waited for the disk.", render_disk<&Disk::reads_refused>},
    {"gatehouse_disk_bodies_continued_total", "counter", "",
     "Bodies whose beginning came from the disk, which could not be read then, and whose rest came from the origin.",
     render_sum<&CoreMetrics::disk_bodies_continued>},
    {"gatehouse_disk_written_bytes_total", "counter", "",
     "Bytes written to the disk, with all that is written beside the responses.", render_disk<&Disk::bytes_written>},
    {"gatehouse_disk_admitted_bytes_total", "counter", "",
     "Bytes of responses that were written to the disk for the first time.", render_disk<&Disk::bytes_admitted>},
    {"gatehouse_disk_rewritten_total", "counter", "",
     "Responses that were written once more because they were in use when their place was needed.",
     render_disk<&Disk::records_rewritten>},
    {"gatehouse_disk_segments_reused_total", "counter", "", "Segments whose place was taken by newer responses.",
     render_disk<&Disk::segments_reused>},
    {"gatehouse_disk_not_written_total", "counter", "reason",
     "Stored responses that were kept off the disk: first_time (it is full, and they were stored for the first time), queue "
     "(too much waited to be written), too_large (cache.disk.max_object_size), write_budget (cache.disk.write_budget).",
     render_not_written},
    {"gatehouse_disk_queued_bytes", "gauge", "", "Bytes that wait to be written to the disk.",
     render_disk<&Disk::bytes_queued>},
    {"gatehouse_disk_errors_total", "counter", "operation", "Operations of the disk that failed.", render_disk_errors},
    {"gatehouse_disk_bad_segments", "gauge", "", "Segments that could not be written and were set aside.",
     render_disk<&Disk::bad_segments>},
    {"gatehouse_disk_writable", "gauge", "", "1, or 0 while the disk cannot be written.", render_disk_writable},
};

void append_metrics(std::string& out, std::span<const Metric> metrics, const Facts& facts) {
    for (const Metric& metric : metrics) {
        out += "# HELP ";
        out += metric.name;
        out += ' ';
        out += metric.help;
        out += "\n# TYPE ";
        out += metric.name;
        out += ' ';
        out += metric.type;
        out += '\n';
        Samples samples(out, metric.name, facts);
        metric.render(samples);
    }
}

void describe(std::string& out, std::span<const Metric> metrics) {
    for (const Metric& metric : metrics) {
        out += "| `";
        out += metric.name;
        out += "` | ";
        out += metric.type;
        out += " | ";
        out += metric.labels;
        out += " | ";
        out += metric.help;
        out += " |\n";
    }
}

Series group_behaviors(std::span<const CoreMetrics* const> cores, std::span<const std::string> names) {
    Series series;
    // All cores have the same number; the last one is for requests that were not routed.
    const std::size_t unrouted = cores.empty() ? names.size() : cores.front()->behaviors.size() - 1;
    for (std::size_t index = 0; index < std::min(names.size(), unrouted); ++index) {
        series[names[index]].push_back(index);
    }
    series[kUnrouted].push_back(unrouted);
    return series;
}

void append_reason_table(std::string& out) {
    out += "\n## Reasons\n\nThe values of the label `reason`, of `detail` in Cache-Status and of `reason` and "
           "`store_reason` in the access log.\n\n| reason | meaning |\n| --- | --- |\n";
    for (std::size_t index = 1; index < cache::policy::kReasonCount; ++index) {
        const auto reason = static_cast<Reason>(index);
        out += "| `";
        out += cache::policy::to_string(reason);
        out += "` | ";
        out += cache::policy::sentence(reason);
        out += " |\n";
    }
}

} // namespace

CoreMetrics::CoreMetrics(std::size_t behavior_count) : behaviors(behavior_count + 1) {}

void CoreMetrics::set_behaviors(std::span<const std::string> names) {
    std::vector<BehaviorCounters> next(names.size() + 1);
    const auto carry_over = [](const auto& from, auto& to) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            to[i].add(from[i].value());
        }
    };
    for (std::size_t i = 0; i < behaviors.size(); ++i) {
        const bool is_unrouted = i + 1 == behaviors.size();
        const auto at = is_unrouted
                            ? names.end()
                            : std::find(names.begin(), names.end(), i < names_.size() ? names_[i] : std::string());
        if (!is_unrouted && at == names.end()) {
            continue; // a name that is no more: its series end
        }
        BehaviorCounters& to = next[static_cast<std::size_t>(at - names.begin())];
        carry_over(behaviors[i].results, to.results);
        carry_over(behaviors[i].status_classes, to.status_classes);
    }
    behaviors = std::move(next);
    names_.assign(names.begin(), names.end());
    known_names_.assign(names.size(), nullptr);
}

namespace {

// `unrouted`: for a request that was not routed, or that began with a behavior that there is none of now.
std::size_t index_of(const std::vector<std::string>& names, const ExchangeRecord& record,
                     std::size_t unrouted) noexcept {
    if (!record.routed) {
        return unrouted;
    }
    const std::size_t index = record.behavior;
    if (names.empty() || (index < names.size() && names[index] == record.behavior_name)) {
        return std::min(index, unrouted);
    }
    const auto found = std::find(names.begin(), names.end(), record.behavior_name);
    return found == names.end() ? unrouted : static_cast<std::size_t>(found - names.begin());
}

} // namespace

inline void CoreMetrics::count_in(BehaviorCounters& behavior, RequestResult result, int status) noexcept {
    behavior.results[static_cast<std::size_t>(result)].add();
    // A client takes an unknown class for a 5xx (RFC 9110 section 15).
    const std::size_t status_class = static_cast<unsigned>(std::max(status, 0)) / 100;
    behavior.status_classes[std::min(status_class, kClassCount - 1)].add();
}

void CoreMetrics::count(const ExchangeRecord& record) noexcept {
    const std::size_t index = record.behavior;
    const bool is_known = index < known_names_.size() && known_names_[index] == record.behavior_name.data();
    if (is_known && is_plain_hit(record)) [[likely]] {
        count_in(behaviors[index], RequestResult::Hit, record.status);
    } else {
        count_other(record);
    }
}

[[gnu::noinline]] void CoreMetrics::count_other(const ExchangeRecord& record) noexcept {
    const std::size_t index = index_of(names_, record, behaviors.size() - 1);
    if (index < known_names_.size()) {
        known_names_[index] = record.behavior_name.data();
    }
    count_in(behaviors[index], request_result(record), record.status);
    const auto reason = static_cast<std::size_t>(record.cache.reason);
    if (reason != 0 && reason < cache::policy::kReasonCount) {
        reasons[reason].add();
    }
}

void CoreMetrics::count_tick(std::chrono::microseconds lag) noexcept {
    const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(lag.count(), 0));
    loop_ticks.add();
    loop_lag_sum_us.add(micros);
    lag_window_max_us_ = std::max(lag_window_max_us_, micros);
    loop_lag_max_us.set(std::max(lag_window_max_us_, lag_previous_max_us_));
    if (++lag_window_ticks_ >= kLagWindowTicks) {
        lag_window_ticks_ = 0;
        lag_previous_max_us_ = lag_window_max_us_;
        lag_window_max_us_ = 0;
    }
}

void CoreMetrics::on_lag(void* self, std::chrono::microseconds lag) noexcept {
    static_cast<CoreMetrics*>(self)->count_tick(lag);
}

std::string render_metrics(std::span<const CoreMetrics* const> cores, std::span<const std::string> behavior_names,
                           const cache::store::StoreStats& store, const std::optional<cache::store::DiskStats>& disk,
                           std::uint64_t config_generation, const ProcessMetrics& process) {
    const cache::store::DiskStats none;
    const Facts facts{cores,        group_behaviors(cores, behavior_names), store, disk ? *disk : none,
                      config_generation, process};
    std::string out;
    out.reserve(16 * 1024);
    append_metrics(out, kMetrics, facts);
    if (disk) {
        append_metrics(out, kDiskMetrics, facts);
    }
    return out;
}

std::string describe_metrics() {
    std::string out = "# Metrics\n\n"
                      "`GET /metrics` on the admin listener gives them as Prometheus text, summed over all cores. "
                      "Counters start at 0\nwith the process. This page is made from the table in "
                      "`proxy/metrics.cpp`; a test compares the two.\n\n"
                      "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
    describe(out, kMetrics);
    out += "\nWhere `cache.disk` is configured ([DISK.md](DISK.md)):\n\n"
           "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
    describe(out, kDiskMetrics);
    append_reason_table(out);
    out += "\n## Kinds of origin errors\n\nThe values of the label `kind`, of `error` in the access log and of `error` "
           "in the body of an error response.\n\n";
    for (std::size_t index = 0; index < kErrors; ++index) {
        const auto kind = static_cast<http::ErrorKind>(index);
        if (is_origin_error(kind)) {
            out += "- `";
            out += http::to_string(kind);
            out += "`\n";
        }
    }
    return out;
}

} // namespace gatehouse::proxy
