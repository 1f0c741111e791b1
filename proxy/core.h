// One core: a single-threaded loop and everything that is private to its thread.
//
// The loop has three parts: coroutines (proxy/coroutines.h), jobs that other threads post, in an Asio io_context, and
// sockets, which the core's own poller watches. Two ways to drive them:
//   run()        our loop is in charge. The io_context has no reactor of its own: no Asio socket or timer may be used.
//   run_asio()   Asio is in charge, for the control core, whose admin listener and resolver use Asio's sockets.
#pragma once

#include "proxy/asio.h"
#include "proxy/clock.h"
#include "proxy/coroutines.h"
#include "proxy/deadline_wheel.h"
#include "proxy/metrics.h"
#include "proxy/poller.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace gatehouse::proxy {

class Core {
public:
    static constexpr std::size_t kScratchBytes = 64 * 1024;
    static constexpr std::size_t kOriginScratchBytes = 16 * 1024;

    Core(unsigned index, const Clock& clock, std::size_t behaviors);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    unsigned index() const noexcept { return index_; }
    Coroutines& coroutines() noexcept { return coroutines_; }
    asio::io_context& io() noexcept { return io_; } // for Asio's own operations; other threads use post()
    Poller& poller() noexcept { return poller_; }
    const Clock& clock() const noexcept { return clock_; }
    DeadlineWheel& wheel() noexcept { return wheel_; }
    CoreMetrics& metrics() noexcept { return metrics_; }
    // Room for one synchronous read of a client; its content does not survive a suspension.
    std::vector<char>& scratch() noexcept { return scratch_; }
    // The same for a read of an origin. Not the same room: a request that is being read may start a fetch, which reads
    // at once what the origin has sent, and more requests may lie behind it.
    std::vector<char>& origin_scratch() noexcept { return origin_scratch_; }

    // Runs a job on the core's thread, later. Any thread. From other threads this is the only way in: it wakes a loop
    // that waits for its sockets.
    template <class Job>
    void post(Job&& job) {
        asio::post(io_, std::forward<Job>(job));
        if (!is_here()) {
            poller_.wake();
        }
    }

    // Whether the caller is on this core's thread, within run().
    bool is_here() const noexcept { return running_here_ == this; }

    // The time at which this turn of the loop began: one reading for all requests that arrived together.
    http::WallTime turn_wall() const noexcept { return turn_wall_; }
    http::SteadyTime turn_steady() const noexcept { return turn_steady_; }
    // The clock, read now.
    http::SteadyTime read_steady() noexcept {
        reading_uses_ = kReadingUses;
        last_reading_ = clock_.steady_now();
        return last_reading_;
    }
    // The last reading of this turn, or a new one where there is none or kReadingUses have asked for it. For how long
    // it took to answer what takes next to nothing and came in this turn: it may leave out as much as the others that
    // share the reading took. OPTIMIZATION: of a hit a reading of its own is 0.5 %.
    http::SteadyTime recent_steady() noexcept {
        if (reading_uses_ == 0) {
            return read_steady();
        }
        --reading_uses_;
        return last_reading_;
    }
    // Which turn this is. What the poller has to tell is asked for between two.
    std::uint64_t turn_number() const noexcept { return turn_number_; }

    // Runs until finish(), and then until the last coroutine has ended. `keep_time`: the wheel follows the clock;
    // otherwise somebody else advances it (tests).
    void run(bool keep_time);
    // Asio's loop, with the poller beside it. Ends as run() does.
    void run_asio(bool keep_time);
    // On the core's thread; before run() it means: as soon as nothing is left to do.
    void finish();
    // With time that somebody else moves: takes the time, and fires what is due by it.
    void advance() noexcept {
        begin_turn();
        wheel_.advance();
    }
    // Does what can be done without waiting; returns how much that was. For whoever drives a core by hand.
    std::size_t poll();

private:
    static constexpr int kPassesPerTurn = 16;
    static constexpr unsigned kReadingUses = 8;

    void turn();
    std::size_t run_what_is_ready();
    void begin_turn() noexcept;
    int timeout_ms() noexcept;
    void tick_if_due() noexcept;
    asio::awaitable<void> follow_poller();
    static void run_ready_by_asio(void* core);
    static void end_if_finished(void* core);

    // The core whose run() this thread is in.
    static inline thread_local const Core* running_here_ = nullptr;

    unsigned index_;
    const Clock& clock_;
    DeadlineWheel wheel_;
    CoreMetrics metrics_;
    std::vector<char> scratch_;
    std::vector<char> origin_scratch_;
    Poller poller_;
    http::WallTime turn_wall_;
    http::SteadyTime turn_steady_;
    http::SteadyTime last_reading_{};
    unsigned reading_uses_ = 0; // that are left in this turn
    std::uint64_t turn_number_ = 0;
    http::SteadyTime next_tick_{};
    bool keep_time_ = false;
    bool finishing_ = false;
    struct AsioSide; // what run_asio() needs
    std::unique_ptr<AsioSide> asio_side_;
    // The last ones, so that they end first: coroutines that are still suspended then end with them, and what they hold
    // (deadlines of the wheel above all) finds its core whole.
    Coroutines coroutines_;
    asio::io_context io_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard_; // until finish()
};

} // namespace gatehouse::proxy
