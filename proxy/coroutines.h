// The coroutines of one core: which of them run, which are to go on, and which wait.
//
// A Coroutine is what spawn() started: a line of frames, each of which waits for the one behind it, and of which the
// last one runs or waits for an Event. It runs on its core's thread, and nowhere else. Whoever resumes it does so
// through the core's list, never from within; so a signal costs a few instructions, and nothing is called back in the
// middle of it.
#pragma once

#include <coroutine>
#include <cstddef>

namespace gatehouse::proxy {

class Coroutines;

// Lives in the frame of the function that spawn() makes, and ends with it.
class Coroutine {
public:
    Coroutine(Coroutines& home, std::coroutine_handle<> frame) noexcept;
    ~Coroutine();
    Coroutine(const Coroutine&) = delete;
    Coroutine& operator=(const Coroutine&) = delete;

    // Of frames: who runs now.
    void enter(std::coroutine_handle<> frame) noexcept { innermost_ = frame; }
    // Of an event: run() returns, and the coroutine is resumed by resume_later().
    void wait() noexcept { waits_ = true; }
    // It has been waiting, and goes on when its core comes to it.
    void resume_later() noexcept;
    // What it waits for has ended: its frames end, unresumed, when its core comes to it. Nothing, if they are ending.
    void end_later() noexcept;

private:
    friend class Coroutines;
    // Until it waits or has ended.
    void run();

    Coroutines& home_;
    const std::coroutine_handle<> outermost_;
    std::coroutine_handle<> innermost_;
    Coroutine* previous_ = nullptr; // among all that live
    Coroutine* next_ = nullptr;
    Coroutine* next_ready_ = nullptr;
    bool* has_ended_ = nullptr; // told to run()
    bool waits_ = false;
    bool is_to_end_ = false;
    bool is_ending_ = false;
};

class Coroutines {
public:
    // `on_first_ready` is told when the list of those that are to go on is not empty any more.
    using Told = void (*)(void* context);
    Coroutines() = default;
    ~Coroutines() { end_all(); }
    Coroutines(const Coroutines&) = delete;
    Coroutines& operator=(const Coroutines&) = delete;

    // Runs those that are to go on, and those that they make go on, but no more than kPerTurn: sockets and timers have
    // their turn too. Returns how many it ran.
    std::size_t run_ready();
    bool any_ready() const noexcept { return first_ready_ != nullptr; }
    bool any_alive() const noexcept { return alive_ != nullptr; }
    // Ends all of them where they wait. Not from within one.
    void end_all() noexcept;

    // Somebody drives this list who has to be called: when it is not empty any more, and when the last one ended.
    void tell_ready(Told told, void* context) noexcept {
        ready_told_ = told;
        ready_context_ = context;
    }
    void tell_last_ended(Told told, void* context) noexcept {
        ended_told_ = told;
        ended_context_ = context;
    }

    // Of spawn(): runs one that has just been made.
    static void begin(Coroutine& coroutine) { coroutine.run(); }

private:
    friend class Coroutine;
    static constexpr std::size_t kPerTurn = 4096;

    void add_ready(Coroutine& coroutine) noexcept;
    Coroutine* take_ready() noexcept;

    Coroutine* alive_ = nullptr;
    Coroutine* first_ready_ = nullptr;
    Coroutine* last_ready_ = nullptr;
    Told ready_told_ = nullptr;
    void* ready_context_ = nullptr;
    Told ended_told_ = nullptr;
    void* ended_context_ = nullptr;
};

} // namespace gatehouse::proxy
