// A fetch: one request to the origin on its way, and everybody who waits for or reads its answer.
//
// It belongs to a core, never to a client's session; every client, the first included, is a reader. A shared fetch is
// in the FetchTable under its key, so that others join it; a private one serves one client only (what cannot be
// shared: unsafe methods, bypasses, answers nobody else may use).
//
// Life: Pending -> (Answered: head known, body arriving) -> Done, or Failed before the head. The answer is written
// once, by the home core, before `phase` says so, and is immutable from then on.
#pragma once

#include "cache/policy/reason.h"
#include "cache/policy/slices.h"
#include "cache/policy/stored_head.h"
#include "cache/store/store.h"
#include "cache/wait_lists.h"
#include "http/fields.h"
#include "http/message.h"
#include "http/result.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::cache {

struct Answer {
    enum class Kind : std::uint8_t {
        Response,  // a head, and usually a body that is still arriving
        Freshened, // a 304 freshened the stored response: `entry`
        Failed     // no answer: `error`
    };
    Kind kind = Kind::Failed;
    // Response
    int status = 0;
    // policy::encode_stored_head; also for what is not stored. Freshened: only where the store did not take it.
    std::string head;
    // The same with the fields that private="..." and no-cache="..." keep out of the store, where there are any: for
    // the client whose request the fetch carries, and nobody else.
    std::string first_head;
    std::shared_ptr<store::Body> body;        // null: no content follows
    std::optional<std::uint64_t> length;      // Content-Length the origin declared (for HEAD without content following)
    bool stored = false;                      // it is being stored
    bool shared = false;                      // and others may read it meanwhile, if it fits their request
    bool slice = false;                       // it is the slice that was asked for
    // It was joined under a key by a rule that is not its own: it answers only what asked for the same query.
    bool other_place = false;
    policy::Reason not_stored = policy::Reason::None;
    // Freshened
    store::EntryRef entry;
    // Failed
    http::Error error;
};

// What the home core learnt on the way; for the records of those who waited.
struct FetchTrace {
    std::string origin_address;
    bool origin_reused = false;
    unsigned attempts = 0;
    std::optional<int> origin_status;
    std::chrono::microseconds origin_wait{0};
};

// Stored parts of one representation that a fetch completes. Null: that one is not stored.
struct StoredEnds {
    store::EntryRef beginning;
    store::EntryRef end;
    explicit operator bool() const noexcept { return beginning || end; }
};

class Fetch final : public store::BodyListener, public std::enable_shared_from_this<Fetch> {
public:
    enum class Phase : std::uint8_t { Pending, Answered, Failed };

    // Whoever fills the body.
    class HomeWaker {
    public:
        virtual void on_home_wake() noexcept = 0;

    protected:
        ~HomeWaker() = default;
    };

    Fetch(CorePoster& poster, unsigned home, bool is_private);
    ~Fetch();

    // ---- identity; immutable once the fetch is shared with others
    const bool is_private;
    const unsigned home;
    std::string key;              // empty for a private fetch
    store::KeyHash hash;
    // Where `key` is one by a rule of No-Vary-Search: that of the query itself. Else empty, or the same. The home core
    // may change all three before it publishes the answer (FetchTable::move).
    std::string exact_key;
    std::string_view own_key() const noexcept { return exact_key.empty() ? key : exact_key; }
    std::string vary_names;       // names known when it started, and the request's values for them
    std::string vary_values;
    std::uint64_t asker = 0;      // hash of policy::identity_of the request it carries
    store::EntryRef validating;   // the stored response its conditional request is about
    store::EntryRef head_of;      // the stored response that a HEAD, sent as HEAD, is about
    StoredEnds completing;        // what is stored of a response whose rest it asks for
    // A slice is joined under a key of its own; `key` is that of the whole. Others: empty.
    std::string join_key;
    store::KeyHash join_hash;
    std::optional<policy::SliceOf> slice; // that it asks for
    std::string slice_validator;          // only of that representation; empty: of whichever there is
    // Number of the moment the request was sent (from its making until then: when it was made). See cache/purge_log.h.
    std::atomic<std::uint64_t> sequence{0};

    // ---- the client whose request it carries (none: a background revalidation)
    // Kept from before the first byte is published, so that the initiator can read what nobody may join.
    void expect_initiator() noexcept { initiator_expected_ = true; } // before the fetch task starts
    // Once, after phase() says Answered. nullopt where there is no content, or it was cut for not having come in time.
    std::optional<store::Body::Cursor> take_initiator_cursor();
    // The initiator went away (or needs the answer no longer). Any core. `drained`: how much of the content that is yet
    // to come is read and dropped, so that the connection outlives an answer that ends within it; 0 before the answer.
    void initiator_left(std::uint64_t drained = 0) noexcept;

    // ---- those who wait
    // Whether one more may wait for the answer; also says yes where there is nothing left to wait for.
    bool admit_waiter(std::uint32_t most) noexcept;
    // One that was admitted waits no longer, although there is no answer yet.
    void waiter_left() noexcept { waiting_.fetch_sub(1, std::memory_order_relaxed); }

    // ---- anybody
    Phase phase() const noexcept { return phase_.load(std::memory_order_acquire); }
    const Answer& answer() const noexcept { return answer_; }   // requires phase() != Pending
    const FetchTrace& trace() const noexcept { return trace_; } // likewise
    // Registers to be woken by anything new: an interim response, the answer, bytes, the end.
    void wait(unsigned core, Waiter& waiter) { waiters_.add(core, waiter); }
    // Interim responses so far (RFC 9110 section 15.2), from index `seen` on; in order.
    std::vector<http::ResponseHead> interims_after(std::size_t seen) const;
    std::size_t interim_count() const noexcept { return interim_count_.load(std::memory_order_acquire); }
    // Why the content broke off; valid once the body has failed.
    const http::Error& failure() const noexcept { return failure_; }
    // Trailer fields; valid once the body is complete.
    const http::Fields& trailers() const noexcept { return trailers_; }
    // True once the body turned out to be too large to keep, or memory ran out: nothing was stored, nobody may join.
    bool detached_from_store() const noexcept { return detached_.load(std::memory_order_acquire); }
    policy::Reason detach_reason() const noexcept { return detach_reason_.load(std::memory_order_acquire); }

    // ---- readers
    // One client following the body. Registered so that the slowest can be cut off and the last one is noticed.
    class Reader {
    public:
        using Cut = void (*)(void* context);
        // `on_cut` runs on `core`, once at most, while the reader exists; it may end the reader. `is_client`: whether it
        // counts among the slow clients when it is cut.
        Reader(std::shared_ptr<Fetch> fetch, unsigned core, Cut on_cut, void* context, bool is_client = true);
        ~Reader();
        Reader(const Reader&) = delete;
        Reader& operator=(const Reader&) = delete;
        void moved_to(std::uint64_t position) noexcept { position_.store(position, std::memory_order_relaxed); }

    private:
        friend class Fetch;
        std::shared_ptr<Fetch> fetch_;
        unsigned core_;
        Cut on_cut_;
        void* context_;
        std::uint64_t id_ = 0;
        std::atomic<std::uint64_t> position_{0};
        bool is_client_;
        bool cut_ = false; // guarded by readers_mutex_
        std::list<Reader*>::iterator place_;
    };
    // Cuts the readers that hold the oldest bytes; an initiator that has yet to take its cursor is at the very first
    // one. Returns how many clients. Home core.
    std::size_t cut_slowest(std::uint64_t window_bytes);
    std::size_t reader_count() const noexcept { return reader_count_.load(std::memory_order_acquire); }

    // ---- home core
    void add_interim(http::ResponseHead head);
    FetchTrace& edit_trace() noexcept { return trace_; } // before publish only
    void publish(Answer answer);
    void set_failure(http::Error failure) { failure_ = std::move(failure); }      // before body->fail()
    void set_trailers(http::Fields trailers) { trailers_ = std::move(trailers); } // before body->complete()
    void detach(policy::Reason reason) noexcept;
    // Told (on the home core) when room appeared in the body's window, or a reader or the initiator left. Null to clear,
    // which it may do itself while it is told; it is cleared before it goes away.
    void set_home_waker(HomeWaker* waker) noexcept;
    // Whether anybody can still use the answer: it is being stored, or is read, or its initiator has yet to look; or what
    // is left of it is drained.
    bool wanted() const;

    // ---- store::BodyListener
    void on_published() noexcept override;
    void on_room() noexcept override;

private:
    void wake_home();
    bool cut_initiator();
    bool is_drained() const noexcept;

    CorePoster& poster_;
    WaitLists waiters_;
    std::atomic<Phase> phase_{Phase::Pending};
    Answer answer_;
    FetchTrace trace_;
    http::Fields trailers_;
    http::Error failure_;
    mutable std::mutex interim_mutex_;
    std::vector<http::ResponseHead> interims_;
    std::atomic<std::size_t> interim_count_{0};
    mutable std::mutex readers_mutex_;
    std::list<Reader*> readers_;
    std::atomic<std::size_t> reader_count_{0}; // of readers_, for whoever only asks for it
    std::uint64_t next_reader_ = 1;
    std::atomic<std::uint32_t> waiting_{0}; // joined before the answer
    std::atomic<bool> detached_{false};
    std::atomic<policy::Reason> detach_reason_{policy::Reason::None};
    bool initiator_expected_ = false;
    std::atomic<bool> initiator_left_{false};
    std::atomic<std::uint64_t> drained_to_{0}; // position in the content; 0: it is not drained
    mutable std::mutex initiator_mutex_;
    std::optional<store::Body::Cursor> initiator_cursor_;
    std::atomic<bool> initiator_served_{false};
    std::atomic<bool> home_wake_pending_{false};
    std::atomic<bool> has_home_waker_{false};
    HomeWaker* home_waker_ = nullptr; // home core only
};

} // namespace gatehouse::cache
