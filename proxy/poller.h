// Readiness of one core's descriptors: an epoll instance in which each descriptor is registered once, edge-triggered,
// for its whole life. Waiting for a socket again therefore costs no system call, where Asio's reactor makes one
// epoll_ctl per wait (about 0.6 us of a hit; docs/ARCHITECTURE.md).
//
// Edge-triggered means: on_ready() is called once for what has changed. Whoever is told keeps in mind that the
// descriptor is ready until a system call says EAGAIN (proxy/stream_socket.h does).
//
// Everything but wake() belongs to the core's thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sys/epoll.h>

namespace gatehouse::proxy {

class Poller {
public:
    // One descriptor's owner. Outlives its registration.
    class Watched {
    public:
        // EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR. May add and remove any descriptor, its own too.
        virtual void on_ready(std::uint32_t events) noexcept = 0;
        // The turn asked for with next_turn().
        virtual void on_turn() noexcept = 0;
        // The core ends. Removes itself.
        virtual void on_core_end() noexcept = 0;

    protected:
        virtual ~Watched() = default;

    private:
        friend class Poller;
        std::size_t place_ = 0; // in all_
        bool turn_wanted_ = false;
    };

    Poller();
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    // Reports what is ready already, too. False when the system refuses; errno says why.
    bool add(int descriptor, Watched& watched) noexcept;
    // Before the descriptor is closed. No call reaches `watched` afterwards.
    void remove(int descriptor, Watched& watched) noexcept;
    // Calls on_turn() after everybody who is ready now had a turn: for those who could go on for ever.
    void next_turn(Watched& watched) noexcept;

    // Waits for readiness, a wake() or the time (-1: without end; rounded up to milliseconds), and not at all while
    // somebody wants a turn. dispatch() then tells everybody; returns how many were told.
    void wait(int timeout_ms) noexcept;
    std::size_t dispatch() noexcept;

    // From here until wait() returns, wake() ends the wait. What is posted to the core before this call must be looked
    // for after it.
    void announce_wait() noexcept { waiting_.store(true, std::memory_order_seq_cst); }
    // Any thread. Costs a system call only if the core has announced that it waits.
    void wake() noexcept;

    // Becomes readable when somebody is ready or wants a turn: for a loop that is not ours.
    int follow() noexcept {
        followed_ = true;
        return epoll_;
    }
    bool turn_wanted() const noexcept { return !turns_.empty(); }
    // Lets go of everybody (Watched::on_core_end).
    void end() noexcept;

private:
    static constexpr std::size_t kBatch = 128;
    void ring() noexcept;

    int epoll_ = -1;
    int wake_ = -1;
    std::atomic<bool> waiting_{false};
    bool followed_ = false; // by a loop that waits without asking turn_wanted()
    std::array<epoll_event, kBatch> events_{};
    std::size_t count_ = 0;           // of events_, from the last wait
    std::size_t next_ = 0;            // of them, the first one that has not been told yet
    std::vector<Watched*> turns_;     // who wants the next turn
    std::vector<Watched*> turns_now_; // whose turn it is; null: removed meanwhile
    std::vector<Watched*> all_;
};

} // namespace gatehouse::proxy
