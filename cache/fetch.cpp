// The shared state of one request to the origin.
#include "cache/fetch.h"

#include <algorithm>
#include <cassert>

namespace gatehouse::cache {

Fetch::Fetch(CorePoster& poster, unsigned home_core, bool private_fetch)
    : is_private(private_fetch), home(home_core), poster_(poster), waiters_(poster) {}

Fetch::~Fetch() {
    // The body's last block may be freed after this, and must not call us.
    if (answer_.body) {
        answer_.body->set_listener(nullptr);
    }
}

std::vector<http::ResponseHead> Fetch::interims_after(std::size_t seen) const {
    const std::lock_guard lock(interim_mutex_);
    if (seen >= interims_.size()) {
        return {};
    }
    return {interims_.begin() + static_cast<std::ptrdiff_t>(seen), interims_.end()};
}

void Fetch::add_interim(http::ResponseHead head) {
    {
        const std::lock_guard lock(interim_mutex_);
        interims_.push_back(std::move(head));
        interim_count_.store(interims_.size(), std::memory_order_release);
    }
    waiters_.wake_all([this] { return shared_from_this(); });
}

void Fetch::publish(Answer answer) {
    assert(phase() == Phase::Pending);
    answer_ = std::move(answer);
    if (answer_.body) {
        answer_.body->set_listener(this);
        // Under the lock: an initiator that leaves just now must not leave a cursor behind, which would hold the window.
        const std::lock_guard lock(initiator_mutex_);
        if (initiator_expected_ && !initiator_left_.load(std::memory_order_acquire)) {
            initiator_cursor_ = answer_.body->open();
        }
    }
    phase_.store(answer_.kind == Answer::Kind::Failed ? Phase::Failed : Phase::Answered, std::memory_order_release);
    waiters_.wake_all([this] { return shared_from_this(); });
}

void Fetch::detach(policy::Reason reason) noexcept {
    detach_reason_.store(reason, std::memory_order_release);
    detached_.store(true, std::memory_order_release);
}

void Fetch::set_home_waker(HomeWaker* waker) noexcept {
    home_waker_ = waker;
    has_home_waker_.store(waker != nullptr, std::memory_order_release);
}

std::optional<store::Body::Cursor> Fetch::take_initiator_cursor() {
    const std::lock_guard lock(initiator_mutex_);
    initiator_served_.store(true, std::memory_order_release);
    return std::exchange(initiator_cursor_, std::nullopt);
}

void Fetch::initiator_left(std::uint64_t drained) noexcept {
    if (drained > 0 && answer().body) {
        drained_to_.store(answer().body->published() + drained, std::memory_order_release);
    }
    {
        const std::lock_guard lock(initiator_mutex_);
        initiator_left_.store(true, std::memory_order_release);
        initiator_cursor_.reset();
    }
    wake_home();
}

bool Fetch::cut_initiator() {
    {
        const std::lock_guard lock(initiator_mutex_);
        if (!initiator_cursor_) {
            return false;
        }
        initiator_cursor_.reset();
        initiator_served_.store(true, std::memory_order_release);
    }
    wake_home(); // it may be that nobody wants it any more
    return true;
}

bool Fetch::admit_waiter(std::uint32_t most) noexcept {
    if (phase() != Phase::Pending || waiting_.fetch_add(1, std::memory_order_relaxed) < most) {
        return true;
    }
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

bool Fetch::wanted() const {
    if (!is_private && !detached_from_store() && (phase() == Phase::Pending || answer_.shared)) {
        return true;
    }
    if (reader_count() > 0 || is_drained()) {
        return true;
    }
    return initiator_expected_ && !initiator_served_.load(std::memory_order_acquire) &&
           !initiator_left_.load(std::memory_order_acquire);
}

// Not begun where it is known not to end within the bound.
bool Fetch::is_drained() const noexcept {
    const std::uint64_t end = drained_to_.load(std::memory_order_acquire);
    return end > 0 && answer_.body->published() < end && answer_.length.value_or(0) <= end;
}

void Fetch::on_published() noexcept { waiters_.wake_all([this] { return shared_from_this(); }); }

void Fetch::on_room() noexcept { wake_home(); }

void Fetch::wake_home() {
    if (!has_home_waker_.load(std::memory_order_acquire) ||
        home_wake_pending_.exchange(true, std::memory_order_acq_rel)) {
        return; // nobody is there, or one is on its way and will see what we just made visible
    }
    // weak: the last reference may be going away right now (a reader's cursor freeing blocks).
    poster_.post(home, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->home_wake_pending_.exchange(false, std::memory_order_acq_rel);
            if (self->home_waker_ != nullptr) {
                self->home_waker_->on_home_wake();
            }
        }
    });
}

Fetch::Reader::Reader(std::shared_ptr<Fetch> fetch, unsigned core, Cut on_cut, void* context, bool is_client)
    : fetch_(std::move(fetch)), core_(core), on_cut_(on_cut), context_(context), is_client_(is_client) {
    const std::lock_guard lock(fetch_->readers_mutex_);
    id_ = fetch_->next_reader_++;
    place_ = fetch_->readers_.insert(fetch_->readers_.end(), this);
    fetch_->reader_count_.store(fetch_->readers_.size(), std::memory_order_release);
}

Fetch::Reader::~Reader() {
    bool last = false;
    {
        const std::lock_guard lock(fetch_->readers_mutex_);
        fetch_->readers_.erase(place_);
        last = fetch_->readers_.empty();
        fetch_->reader_count_.store(fetch_->readers_.size(), std::memory_order_release);
    }
    if (last) {
        fetch_->wake_home(); // it may be that nobody wants it any more
    }
}

std::size_t Fetch::cut_slowest(std::uint64_t window_bytes) {
    const std::uint64_t published = answer_.body ? answer_.body->published() : 0;
    const bool initiator_cut = published > 0 && cut_initiator();
    const std::lock_guard lock(readers_mutex_);
    std::uint64_t oldest = initiator_cut ? 0 : published;
    for (const Reader* reader : readers_) {
        if (!reader->cut_) {
            oldest = std::min(oldest, reader->position_.load(std::memory_order_relaxed));
        }
    }
    // Those in the older half of the window: the rest keeps up.
    const std::uint64_t limit = oldest + window_bytes / 2;
    std::size_t cut = initiator_cut ? 1 : 0;
    for (Reader* reader : readers_) {
        const std::uint64_t position = reader->position_.load(std::memory_order_relaxed);
        if (reader->cut_ || position > limit || position >= published) {
            continue; // whoever has read everything holds nobody up
        }
        reader->cut_ = true;
        cut += reader->is_client_ ? 1 : 0;
        poster_.post(reader->core_, [self = shared_from_this(), id = reader->id_] {
            Reader* found = nullptr;
            {
                const std::lock_guard inner(self->readers_mutex_);
                const auto it = std::find_if(self->readers_.begin(), self->readers_.end(),
                                             [id](const Reader* r) { return r->id_ == id; });
                if (it != self->readers_.end()) {
                    found = *it;
                }
            }
            // Readers of this core are made and destroyed on this thread only, so `found` cannot go away meanwhile.
            if (found != nullptr) {
                found->on_cut_(found->context_);
            }
        });
    }
    return cut;
}

} // namespace gatehouse::cache
