// The coordinator: the only place that joins the caching rules (cache/policy), the store, and fetches in flight.
//
// plan() says what to do with a request at one instant; resolve() says what a finished wait means for one request;
// begin()/finish()/abort()/fail() are the fetch task's way to hand over what the origin answered. No sockets, no
// clock, no event loop: time is a parameter, other cores are reached through CorePoster.
//
// Any core may call everything.
#pragma once

#include "cache/core_poster.h"
#include "cache/fetch.h"
#include "cache/fetch_table.h"
#include "cache/parts.h"
#include "cache/plan.h"
#include "cache/policy/cache_status.h"
#include "cache/policy/etag_rule.h"
#include "cache/policy/facts.h"
#include "cache/policy/reuse.h"
#include "cache/policy/stored_head.h"
#include "cache/purge_log.h"
#include "cache/search_rules.h"
#include "cache/store/content_hash.h"
#include "cache/store/store.h"
#include "http/framing.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::cache {

// What a fetch task knows about the request it sends.
struct FetchRequest {
    const http::RequestHead& request; // the client's, unchanged: Vary speaks of what clients send
    const policy::RequestFacts& facts;
    const config::CachePolicy& policy;
    bool cookie_unkeyed = false;
    bool may_store = false;
    bool as_part = false;     // it was sent with the client's Range
    bool from_post = false;   // a POST whose answer represents the target
    bool conditional = false; // If-None-Match or If-Modified-Since was sent: ours, or the client's own
    http::Method sent_method = http::Method::Get;
    bool generate_etag = false; // what has no entity tag gets one (config::EtagRule::Generate)
    // Of the whole content, where that has arrived with the head. Then the first answer has the tag, too.
    std::optional<policy::ContentDigest> content = {};
};

// A response on its way in. Dropped without finish(): nothing is stored.
struct Intake {
    std::unique_ptr<store::Writer> writer; // null: not stored
    std::shared_ptr<store::Body> body;     // null: no content
    std::string metadata;
    store::EntryRef tail; // a stored end: its content goes behind what arrives
    bool slice = false;   // it is a slice that is not everything
    std::vector<store::EntryRef> replaced = {}; // stored for the query itself, of which this is stored by a rule
    // Of a part:
    bool until_close = false;                    // its content ends with the connection
    const config::CachePolicy* policy = nullptr; // lives as long as the fetch; null: it is no part
    bool generate_etag = false;                  // FetchRequest::generate_etag
    std::optional<store::ContentHash> hash = {}; // the tag is made of it at the end

    // Content that was published.
    void took(std::span<const char> bytes) {
        if (hash) {
            hash->update(bytes);
        }
        if (writer) {
            writer->took(bytes);
        }
    }
};

struct Inspection;
class HttpCache {
public:
    struct Options {
        http::Duration uncacheable_memory{60'000};
        std::uint32_t waiters_per_fetch = 100'000; // more go to the origin alone
        bool throws_dice = true;                   // false: every lifetime is as if there were no jitter
    };
    // `purge_file`, `begin_behind`: as PurgeLog takes them.
    HttpCache(store::Store& store, CorePoster& poster, const Options& options,
              std::unique_ptr<PurgeFile> purge_file = nullptr, std::uint64_t begin_behind = 0);

    // What to do with a request now. `decision` comes from policy::decide_request.
    Plan plan(const RequestContext& context, const policy::RequestDecision& decision);
    // The same, made where it is kept. Precondition: `plan` is as a new one.
    void plan_into(const RequestContext& context, const policy::RequestDecision& decision, Plan& plan);
    // What the fetch that was waited for means for this request. `fetch` is no longer Pending.
    Resolution resolve(const RequestContext& context, const Plan& plan);
    std::shared_ptr<Fetch> make_private_fetch(unsigned core);
    // Before a wait: when it is to be given up (stale_if_slow, collapse's max_wait). `since`: how long ago the request
    // came. `may_serve_stale` false: that was tried.
    Patience patience(const RequestContext& context, const Plan& plan, http::Duration since,
                      bool may_serve_stale) const;
    // The wait is over. Serve: what others have stored meanwhile, or what is stale. Rejoin: plan again, without the fetch
    // that was waited for. nullopt: what might have been served when the wait began may not be now.
    std::optional<Resolution> give_up_waiting(const RequestContext& context, const Plan& plan,
                                              const Patience& patience);

    // ---- slices (http_cache_slices.cpp)
    // Serve, from a stored slice; Load; or Wait, for a fetch whose answer is a slice, Freshened, or no slice after all.
    Plan plan_slice(const RequestContext& context, const SliceNeed& need);
    // Whether the answer of a fetch that was joined is a slice for this request.
    bool takes_slice(const RequestContext& context, const SliceNeed& need, const Fetch& fetch) const;
    // Whether a manifest that was just freshened may be believed for this request; `asked`: for this very one.
    bool is_current(const RequestContext& context, const store::Entry& manifest, bool asked) const;
    // Nobody finds the slices with this validator any more; empty: any slices of the key.
    void forget_slices(std::string_view key, const store::KeyHash& hash, std::string_view validator);

    // ---- the fetch task's side; all on the fetch's home core
    // The request is about to leave, perhaps once more: a purge from now on is newer than what the origin will say, and
    // a client that comes from now on came after it was asked.
    void sending(Fetch& fetch) noexcept { fetch.sequence = purges_.next(); }
    enum class BeginResult : std::uint8_t {
        Answered, // published; fill intake.body and finish or abort
        // A 304 that fits nothing stored, a 206 that does not continue what is stored, or what was purged: ask again,
        // for the whole and without a condition.
        RetryUnconditional,
        Unasked // a 304 to a request without a condition: no answer at all, fail the fetch
    };
    // The final head has arrived. Decides whether it is stored, and publishes the answer.
    BeginResult begin(Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                      const http::Framing& framing, http::WallTime request_time, http::WallTime response_time,
                      Intake& intake);
    // The body became larger than the store takes, or memory ran out: relay what remains, store nothing.
    void detach(Fetch& fetch, Intake& intake, policy::Reason reason, http::WallTime now);
    // The content is whole: makes it visible (unless purged meanwhile), ends joining. Returns why it was not stored.
    policy::Reason finish(Fetch& fetch, Intake& intake);
    // The content broke off: readers are cut, those who have not begun get this error, nothing is stored.
    void abort(Fetch& fetch, Intake& intake, http::Error error);
    // No head came: everybody who waits gets this one result.
    void fail(Fetch& fetch, http::Error error);

    // Effective when it returns, for what is stored and what is in flight, also for queries that No-Vary-Search makes
    // equal. Returns the purge's number.
    std::uint64_t purge(PurgeMatcher matcher);
    // The same for the responses of a group of that host, or of every host (RFC 9875).
    std::uint64_t purge_group(std::optional<std::string_view> authority, std::string_view group) {
        return purges_.record_group(authority, group);
    }
    // Removes what purges killed of the keys that `matcher` matches, or of all, to free its memory; returns how many. A
    // walk over the store: not for an event loop.
    std::size_t sweep(const PurgeMatcher& matcher);
    std::size_t sweep();

    // What is known of the request's key (cache/inspection.h). Nothing is erased, touched or asked for.
    Inspection inspect(const RequestContext& context) const;

    // Whether purges killed what has this key, policy::encode_stored_head and number.
    bool is_dead(std::string_view key, std::string_view head, std::uint64_t sequence) const {
        return killed(key, head, sequence, 0);
    }

    store::Store& store() noexcept { return store_; }
    const PurgeLog& purges() const noexcept { return purges_; }
    // PurgeLog::set_believed_at_next_start.
    void set_believed_at_next_start(bool believed) noexcept { purges_.set_believed_at_next_start(believed); }
    std::size_t fetches_in_flight() const { return table_.size(); }

private:
    struct Match {
        store::HeldEntry entry;
        policy::StoredHead head;
        policy::Reason reason = policy::Reason::UriMiss; // why there is none
        std::string_view vary_names;                     // of the newest stored response
        store::HeldEntry newest;                         // keeps vary_names alive where it is not `entry`
        std::uint64_t sequence = 0;                      // the largest that was found, dead or alive
        // There is no whole response for this request, but a part of one that is this long, or parts that can be
        // completed.
        std::optional<std::uint64_t> length;
        StoredEnds ends;
        store::HeldEntry manifest;         // of its slices
        std::shared_ptr<store::Load> load; // there may be one, which has to be waited for
    };
    Match find(const RequestContext& context);
    Match choose(const RequestContext& context, store::Candidates& found);
    void look_up(const RequestContext& context, std::string_view key, const store::KeyHash& hash,
                 store::Candidates& found);
    // What is served is taken out of `match`.
    void plan_with(const RequestContext& context, const policy::RequestDecision& decision, Match& match, Plan& plan);
    void freshen(Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& not_modified,
                 http::WallTime request_time, http::WallTime response_time);
    void take_head(const Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                   http::WallTime request_time, http::WallTime response_time);
    policy::Reason kept_out(const Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                            http::WallTime now);
    static void give_tag(Intake& intake);
    // What is stored has the same content, and the same tag of ours: its head is renewed, its content stays. False: it
    // has not.
    bool renew_same(const Fetch& fetch, const policy::StoredHead& arrived, std::uint64_t bytes,
                    std::string_view metadata);
    policy::Reason commit_writer(const Fetch& fetch, store::Writer& writer, std::string_view metadata);
    // `entry`: EntryRef or HeldEntry. What is dead is erased.
    template <class Ref>
    bool alive(const Ref& entry) {
        const bool is_alive = survives_purges(*entry);
        if (!is_alive) {
            store_.erase(entry);
        }
        return is_alive;
    }
    bool survives_purges(const store::Entry& entry) const;
    bool is_dead(const store::Entry& entry) const { return killed(entry.key(), entry.metadata(), entry.sequence(), 0); }
    bool killed(std::string_view key, std::string_view head, std::uint64_t sequence, std::uint64_t checked) const;
    struct JoinRules {
        bool solo = false;      // wants an answer of its own
        bool each_time = false; // the answer will have to be validated for every request, as the stored one has to be
        bool background = false; // nobody waits for it: one is enough, whatever the policy says of collapsing
        bool if_small = false;  // joins what is arriving and has a length that is filled; starts nothing
        std::uint64_t seen = 0; // Match::sequence
    };
    // False: what the request needs is on its way to the disk, where nobody can read it yet.
    bool join_or_start(const RequestContext& context, std::string_view vary_names, JoinRules rules, Plan& plan);
    bool is_filled(const RequestContext& context, std::optional<std::uint64_t> length) const noexcept;
    bool stored_since(const RequestContext& context, std::uint64_t sequence);
    bool usable_now(const RequestContext& context, const policy::StoredHead& head) const;
    bool stands_for(const RequestContext& context, const policy::StoredHead& answer, std::uint64_t sequence,
                    std::uint64_t arrived) const;
    Resolution::Kind use_of_answer(const RequestContext& context, const Plan& plan,
                                   const policy::StoredHead& head) const;
    std::optional<Resolution> stale_instead(const RequestContext& context, const Plan& plan,
                                            policy::OriginFailure failure) const;
    static bool is_in_reach(const RequestContext& context, const Fetch& fetch, const policy::StoredHead& head);
    static Resolution serve_stale(const RequestContext& context, const Plan& plan, policy::Reason reason);
    std::uint16_t throw_dice(const Fetch& fetch, http::WallTime response_time) const noexcept;
    void refresh_ahead(const RequestContext& context, std::string_view vary_names, JoinRules rules, Plan& plan);
    Resolution failed(const RequestContext& context, const Plan& plan, const http::Error& error) const;
    static std::string variant_values(std::string_view names, const FetchRequest& sent, const http::Fields& response);

    // What is being stored goes where its No-Vary-Search says (cache/equal_queries.h); `kept`: its fields.
    void place_by_rule(Fetch& fetch, const FetchRequest& sent, const http::Fields& kept, Answer& answer,
                       Intake& intake);
    void add_candidates(const RequestContext& context, Inspection& inspection) const;

    // ---- slices (http_cache_slices.cpp)
    bool is_sliced(const RequestContext& context) const noexcept;
    void plan_slices(const RequestContext& context, const Match& match, Plan& plan) const;
    // `load`: what has to be waited for before it is known whether there is one.
    store::HeldEntry find_slice(const RequestContext& context, const policy::SliceOf& slice, std::string_view validator,
                                std::shared_ptr<store::Load>& load);
    void take_no_slice(const Fetch& fetch, const http::ResponseHead& response, http::WallTime now);
    // `unsatisfied`: the Content-Range of a 416. Whether the manifest says the same length.
    bool has_manifest_of(const Fetch& fetch, std::string_view unsatisfied) const;
    void commit_manifest(const Fetch& fetch, std::string_view slice_head);

    // ---- parts (http_cache_parts.cpp)
    void look_everywhere_at_hand(std::string_view key, const store::KeyHash& hash, store::Candidates& found) const;
    // Of the entries found, none of which is whole for this request: a part that covers its Range, or parts that can be
    // completed.
    void choose_part(const RequestContext& context, const store::Candidates& found, Match& match);
    StoredEnds choose_ends(const RequestContext& context, const store::Candidates& found) const;
    // The answer to a fetch that is completing stored parts. nullopt: it is an answer like any other.
    std::optional<BeginResult> begin_completed(Fetch& fetch, const FetchRequest& sent,
                                               const http::ResponseHead& response, const http::Framing& framing,
                                               http::WallTime request_time, http::WallTime response_time,
                                               Intake& intake);
    policy::Reason commit_part(Fetch& fetch, Intake& intake);
    // Together with the stored parts that it touches. False: there are none, or it cannot be done.
    bool commit_combined(Fetch& fetch, const Intake& intake, const policy::StoredHead& arrived,
                         const policy::ContentPart& part);
    std::vector<PartContent> parts_like(const Fetch& fetch, const policy::StoredHead& arrived, bool immutable);
    // Parts of what is now stored whole are of no more use.
    void drop_parts(const Fetch& fetch, const policy::StoredHead& whole);

    store::Store& store_;
    CorePoster& poster_;
    Options options_;
    PurgeLog purges_;
    SearchRules rules_;
    FetchTable table_;
    UncacheableMemory uncacheable_;
    UncacheableMemory refreshed_{1 << 12}; // ahead of the end, a moment ago
};

} // namespace gatehouse::cache
