// The rings, and the thread that turns them into lines.
#include "proxy/access_log.h"

#include "proxy/clock.h"
#include "proxy/diagnostic_log.h"
#include "proxy/exchange_record_fields.h"
#include "proxy/log_line.h"
#include "proxy/log_output.h"
#include "proxy/record_ring.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace gatehouse::proxy {

namespace {

// After a record woke the writer it gathers for so long: one wake-up and one write for everything that comes in it.
constexpr int kGatherMilliseconds = 50;
// A batch is written once it is this large, whatever else waits.
constexpr std::size_t kBatchBytes = 64 * 1024;
// After so many records the writer lets others run: where it shares a processor with an event loop, Linux would let it
// finish its slice of some milliseconds first, and so long would requests wait.
constexpr std::size_t kRecordsBeforeYield = 128;
// At the end: an output that takes nothing for so long is given up.
constexpr int kPatienceMilliseconds = 2000;
constexpr http::Duration kWarningInterval{60'000};
// A ring has room for several records of the largest size.
constexpr std::size_t kMinRingBytes = 512 * 1024;

// A record in a ring: this, and then its texts one behind the other.
struct PackedRecord {
    ExchangeFacts facts;
    std::array<std::uint32_t, std::tuple_size_v<ExchangeTexts>> sizes; // of the texts
};
static_assert(std::is_trivially_copyable_v<PackedRecord> && std::is_standard_layout_v<PackedRecord>);

template <class Word>
inline void copy_ends(char* to, std::string_view text) noexcept {
    Word front;
    Word back;
    std::memcpy(&front, text.data(), sizeof front);
    std::memcpy(&back, text.data() + text.size() - sizeof back, sizeof back);
    std::memcpy(to, &front, sizeof front);
    std::memcpy(to + text.size() - sizeof back, &back, sizeof back);
}

// OPTIMIZATION: most texts of a record are so short that the call of memcpy is the dearer part of it.
[[gnu::always_inline]] inline char* put(char* to, std::string_view text) noexcept {
    using Sixteen = std::array<char, 16>;
    using ThirtyTwo = std::array<char, 32>;
    const std::size_t size = text.size();
    if (size < sizeof(std::uint64_t)) {
        if (size >= sizeof(std::uint32_t)) {
            copy_ends<std::uint32_t>(to, text);
        } else if (size >= sizeof(std::uint16_t)) {
            copy_ends<std::uint16_t>(to, text);
        } else if (size == 1) {
            *to = text[0];
        }
    } else if (size < sizeof(Sixteen)) {
        copy_ends<std::uint64_t>(to, text);
    } else if (size <= sizeof(ThirtyTwo)) {
        copy_ends<Sixteen>(to, text);
    } else if (size <= 2 * sizeof(ThirtyTwo)) {
        copy_ends<ThirtyTwo>(to, text);
    } else {
        std::memcpy(to, text.data(), size);
    }
    return to + text.size();
}

// False: there is no room. for_each(visit) tells the texts, which have so many bytes.
template <class ForEach>
inline bool enqueue(RecordRing& ring, const ExchangeFacts& facts, std::size_t bytes, ForEach for_each) noexcept {
    char* const room = ring.reserve(sizeof(PackedRecord) + bytes);
    if (room == nullptr) {
        return false;
    }
    std::memcpy(room, &facts, sizeof facts);
    char* size_at = room + offsetof(PackedRecord, sizes);
    char* to = room + sizeof(PackedRecord);
    const auto pack = [&](std::string_view text) __attribute__((always_inline)) {
        const auto size = static_cast<std::uint32_t>(text.size());
        std::memcpy(size_at, &size, sizeof size);
        size_at += sizeof size;
        to = put(to, text);
    };
    for_each(pack);
    ring.publish();
    return true;
}

// The same with each text as long as it may be.
bool enqueue_cut(RecordRing& ring, const ExchangeRecord& record) noexcept {
    ExchangeTexts texts;
    std::size_t count = 0;
    std::size_t bytes = 0;
    for_each_text(record, [&](std::string_view text) {
        texts[count] = text.substr(0, AccessLog::kMaxTextBytes);
        bytes += texts[count++].size();
    });
    return enqueue(ring, record, bytes, [&](auto pack) { std::for_each(texts.begin(), texts.end(), pack); });
}

// Takes a record apart again: its texts are views into `packed`, but for those that a record has of its own, whose
// strings keep their capacity.
void unpack(std::span<const char> packed, ExchangeRecord& record) {
    PackedRecord head;
    std::memcpy(&head, packed.data(), sizeof head);
    static_cast<ExchangeFacts&>(record) = head.facts;
    ExchangeTexts texts;
    const char* in = packed.data() + sizeof head;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i] = {in, head.sizes[i]};
        in += head.sizes[i];
    }
    set_texts(record, texts);
}

std::uint64_t count_lines(std::string_view text) noexcept {
    // By find, which is memchr: counting character by character took a quarter of this thread's time.
    std::uint64_t lines = 0;
    for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
        ++lines;
    }
    return lines;
}

// How the writer waits, and so when a producer has to wake it.
enum class Sleep : std::uint32_t {
    Awake,     // it will look at the rings by itself
    Gathering, // for a moment: only a ring that fills up wakes it
    Idle       // until there is something: any record wakes it
};

} // namespace

struct AccessLog::Impl {
    Impl(const config::AccessLog& options, unsigned cores) : output(options.path) {
        const std::size_t bytes = std::max(kMinRingBytes, options.queue_records * kBytesPerRecord);
        for (unsigned core = 0; core < cores; ++core) {
            rings.push_back(std::make_unique<RecordRing>(bytes, std::max(options.queue_records, 1U)));
        }
    }
    ~Impl() {
        if (wake_descriptor >= 0) {
            ::close(wake_descriptor);
        }
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void start();
    void wake() noexcept;
    bool submit(RecordRing& ring, const ExchangeRecord& record) noexcept;

    // The rest is the writer's.
    void run();
    bool gather();
    bool rings_empty() const noexcept;
    void write_batch();
    bool wait_for_output() noexcept;
    void give_up(std::string_view rest, int error);
    void reopen_if_asked();
    // Waits until woken; timeout in milliseconds, -1: for ever.
    void wait(int timeout) noexcept;
    void clear_wake_up() noexcept;

    LogOutput output;
    std::string open_error;
    std::vector<std::unique_ptr<RecordRing>> rings;
    int wake_descriptor = -1;
    alignas(64) std::atomic<Sleep> sleep{Sleep::Awake};
    std::atomic<bool> stopping{false};
    std::atomic<bool> reopen_asked{false};
    std::atomic<std::uint64_t> written{0};
    std::atomic<std::uint64_t> lost{0};
    std::thread thread;

    // The writer's own.
    std::string batch;
    ExchangeRecord record;
    LineFormatter formatter;
    std::size_t next_ring = 0;
    std::size_t records_since_yield = 0;
    bool torn = false;      // the output ends in the middle of a line
    bool abandoned = false; // the program ends and the output takes nothing: what is queued is only counted
    SystemClock clock;
    WarningLimiter warnings{kWarningInterval};
};

void AccessLog::Impl::start() {
    if (const int error = output.open(); error != 0) {
        open_error = "access_log.path: cannot open " + output.path() + ": " + std::generic_category().message(error);
        return;
    }
    wake_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_descriptor < 0) {
        open_error = "access_log: cannot make an eventfd: " + std::generic_category().message(errno);
        return;
    }
    // Signals are for other threads; SIGPIPE held back makes a write say EPIPE. The new thread inherits the mask.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
        open_error = std::string("access_log: cannot start the writer: ") + error.what();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void AccessLog::Impl::wake() noexcept {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN) wakes just as well.
    static_cast<void>(::write(wake_descriptor, &one, sizeof(one)));
}

void AccessLog::Impl::run() {
    pthread_setname_np(pthread_self(), "access-log");
    batch.reserve(kBatchBytes + 4096);
    for (;;) {
        // Read before the rings: what was submitted before the end is written.
        const bool last_round = stopping.load(std::memory_order_acquire);
        const bool found = gather();
        reopen_if_asked();
        if (!batch.empty()) {
            write_batch();
        }
        if (!rings_empty()) {
            continue;
        }
        if (last_round) {
            return;
        }
        sleep.store(found ? Sleep::Gathering : Sleep::Idle, std::memory_order_seq_cst);
        if (found || rings_empty()) {
            wait(found ? kGatherMilliseconds : -1);
        }
        sleep.store(Sleep::Awake, std::memory_order_seq_cst);
    }
}

// Fills the batch from the rings, each in its turn. False: there was nothing.
bool AccessLog::Impl::gather() {
    for (std::size_t turn = 0; turn < rings.size(); ++turn) {
        RecordRing& ring = *rings[next_ring];
        next_ring = (next_ring + 1) % rings.size();
        while (batch.size() < kBatchBytes) {
            const std::span<const char> packed = ring.front();
            if (packed.data() == nullptr) {
                break;
            }
            unpack(packed, record);
            formatter.append(batch, record);
            ring.pop(); // the record has views into it
            if (++records_since_yield == kRecordsBeforeYield) {
                records_since_yield = 0;
                std::this_thread::yield();
            }
        }
    }
    return !batch.empty();
}

bool AccessLog::Impl::rings_empty() const noexcept {
    return std::all_of(rings.begin(), rings.end(), [](const auto& ring) { return ring->empty(); });
}

void AccessLog::Impl::write_batch() {
    if (torn) {
        batch.insert(batch.begin(), '\n'); // the rest of that line is gone; the next one is whole
    }
    std::string_view rest = batch;
    while (!rest.empty()) {
        const LogOutput::Written result = abandoned ? LogOutput::Written{0, ETIMEDOUT} : output.write(rest);
        if (result.error == EAGAIN) {
            abandoned = !wait_for_output();
        } else if (result.error != 0) {
            give_up(rest, result.error);
            break;
        } else {
            const bool ends_torn_line = torn && result.bytes > 0 && rest.size() == batch.size();
            const std::uint64_t lines = count_lines(rest.substr(0, result.bytes)) - (ends_torn_line ? 1 : 0);
            written.store(written.load(std::memory_order_relaxed) + lines, std::memory_order_release);
            rest.remove_prefix(result.bytes);
            torn = result.bytes > 0 ? !rest.empty() && batch[batch.size() - rest.size() - 1] != '\n' : torn;
        }
    }
    batch.clear();
}

// Until the output takes more. False: it took nothing for a while and the program ends.
bool AccessLog::Impl::wait_for_output() noexcept {
    for (;;) {
        const bool ending = stopping.load(std::memory_order_acquire);
        pollfd waits[] = {{output.descriptor(), POLLOUT, 0}, {wake_descriptor, POLLIN, 0}};
        const int ready = ::poll(waits, ending ? 1 : 2, ending ? kPatienceMilliseconds : -1);
        if (ready == 0) {
            return false;
        }
        if (ready > 0 && waits[0].revents != 0) {
            return true;
        }
        if (ready > 0) {
            clear_wake_up();
        }
    }
}

void AccessLog::Impl::give_up(std::string_view rest, int error) {
    // The line feed put before the first line belongs to a line that is counted already.
    const std::uint64_t lines = count_lines(rest) - (torn && rest.size() == batch.size() ? 1 : 0);
    lost.store(lost.load(std::memory_order_relaxed) + lines, std::memory_order_release);
    if (warnings.allow("write", clock.steady_now())) {
        spdlog::error("the access log cannot be written path={} error={} lines_lost_so_far={}",
                      log_value(output.path()), log_value(std::generic_category().message(error)),
                      lost.load(std::memory_order_relaxed));
    }
}

void AccessLog::Impl::reopen_if_asked() {
    if (!reopen_asked.exchange(false, std::memory_order_acq_rel)) {
        return;
    }
    if (const int error = output.open(); error != 0) {
        spdlog::error("the access log cannot be opened again, the old file stays in use path={} error={}",
                      log_value(output.path()), log_value(std::generic_category().message(error)));
    } else {
        torn = false;
    }
}

void AccessLog::Impl::wait(int timeout) noexcept {
    pollfd woken{wake_descriptor, POLLIN, 0};
    if (::poll(&woken, 1, timeout) > 0) {
        clear_wake_up();
    }
}

void AccessLog::Impl::clear_wake_up() noexcept {
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_descriptor, &count, sizeof(count)));
}

AccessLog::AccessLog(const config::AccessLog& options, unsigned cores) : impl_(std::make_unique<Impl>(options, cores)) {
    if (options.enabled && !options.path.empty()) {
        impl_->start();
    }
}

AccessLog::~AccessLog() {
    if (impl_->thread.joinable()) {
        impl_->stopping.store(true, std::memory_order_release);
        impl_->wake();
        impl_->thread.join();
    }
}

const std::string& AccessLog::open_error() const noexcept { return impl_->open_error; }

[[gnu::always_inline]] inline bool AccessLog::Impl::submit(RecordRing& ring, const ExchangeRecord& submitted) noexcept {
    std::size_t texts = 0;
    const bool all = has_unusual_text(submitted);
    for_each_text(
        submitted, [&texts](std::string_view text) { texts += text.size(); }, all);
    // Where all together are no longer than one may be, there is none to cut.
    const bool is_queued = texts <= kMaxTextBytes ? enqueue(ring, submitted, texts,
                                                            [&](auto pack) { for_each_text(submitted, pack, all); })
                                                  : enqueue_cut(ring, submitted);
    if (!is_queued) {
        return false;
    }
    const Sleep state = sleep.load(std::memory_order_seq_cst);
    const bool needed = state == Sleep::Idle || (state == Sleep::Gathering && ring.is_half_full());
    // Whoever finds the writer asleep wakes it; the others need not.
    if (needed && sleep.exchange(Sleep::Awake, std::memory_order_seq_cst) != Sleep::Awake) {
        wake();
    }
    return true;
}

bool AccessLog::submit(unsigned core, const ExchangeRecord& record) noexcept {
    if (!impl_->thread.joinable()) {
        return true;
    }
    return core < impl_->rings.size() && impl_->submit(*impl_->rings[core], record);
}

void AccessLog::reopen() noexcept {
    if (impl_->thread.joinable()) {
        impl_->reopen_asked.store(true, std::memory_order_release);
        impl_->wake();
    }
}

std::uint64_t AccessLog::written() const noexcept { return impl_->written.load(std::memory_order_acquire); }

std::uint64_t AccessLog::lost() const noexcept { return impl_->lost.load(std::memory_order_acquire); }

} // namespace gatehouse::proxy
