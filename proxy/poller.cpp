// epoll and an eventfd.
#include "proxy/poller.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace gatehouse::proxy {

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = this;
    if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
        const std::error_code error(errno, std::system_category());
        ::close(epoll_);
        ::close(wake_);
        throw std::system_error(error, "a core's poller cannot be opened");
    }
}

Poller::~Poller() {
    ::close(wake_);
    ::close(epoll_);
}

bool Poller::add(int descriptor, Watched& watched) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &watched;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return false;
    }
    watched.place_ = all_.size();
    all_.push_back(&watched);
    return true;
}

void Poller::remove(int descriptor, Watched& watched) noexcept {
    // Explicitly, and not by the close that follows: a duplicate of the descriptor would keep it registered.
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
    for (std::size_t i = next_; i < count_; ++i) {
        if (events_[i].data.ptr == &watched) {
            events_[i].data.ptr = nullptr;
        }
    }
    if (watched.turn_wanted_) {
        watched.turn_wanted_ = false;
        std::erase(turns_, &watched);
    }
    std::replace(turns_now_.begin(), turns_now_.end(), &watched, static_cast<Watched*>(nullptr));
    all_.back()->place_ = watched.place_;
    std::swap(all_[watched.place_], all_.back());
    all_.pop_back();
}

void Poller::next_turn(Watched& watched) noexcept {
    if (watched.turn_wanted_) {
        return;
    }
    watched.turn_wanted_ = true;
    turns_.push_back(&watched);
    if (followed_) {
        ring();
    }
}

void Poller::wait(int timeout_ms) noexcept {
    const int timeout = turns_.empty() ? timeout_ms : 0;
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout);
    waiting_.store(false, std::memory_order_relaxed);
    count_ = count > 0 ? static_cast<std::size_t>(count) : 0; // a signal that interrupts counts as "nobody"
    next_ = 0;
}

std::size_t Poller::dispatch() noexcept {
    turns_now_.swap(turns_); // who asks from here on has the next turn
    for (Watched* watched : turns_now_) {
        watched->turn_wanted_ = false;
    }
    std::size_t told = 0;
    while (next_ < count_) {
        const epoll_event event = events_[next_++];
        if (event.data.ptr == this) {
            continue; // a wake-up; edge-triggered, so that nobody has to read the eventfd
        }
        if (event.data.ptr != nullptr) {
            static_cast<Watched*>(event.data.ptr)->on_ready(event.events);
            ++told;
        }
    }
    for (std::size_t i = 0; i < turns_now_.size(); ++i) {
        if (turns_now_[i] != nullptr) {
            turns_now_[i]->on_turn();
            ++told;
        }
    }
    turns_now_.clear();
    return told;
}

void Poller::ring() noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_, &one, sizeof one));
}

void Poller::wake() noexcept {
    if (waiting_.exchange(false, std::memory_order_seq_cst)) {
        ring();
    }
}

void Poller::end() noexcept {
    count_ = 0;
    while (!all_.empty()) {
        all_.back()->on_core_end();
    }
}

} // namespace gatehouse::proxy
