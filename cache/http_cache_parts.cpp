// Partial content (cache/policy/partial.h): stored parts are found, completed and combined.
#include "cache/http_cache.h"

#include "cache/parts.h"
#include "cache/policy/partial.h"
#include "cache/policy/storability.h"
#include "cache/policy/variant.h"

#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <utility>

namespace gatehouse::cache {

using policy::Reason;
using policy::StoredHead;

namespace {

// Of several parts that would do the most recent is used. RFC 9111 section 4
bool is_more_recent(const StoredHead& a, const StoredHead& b) noexcept {
    return std::pair(a.facts.date, a.facts.response_time) > std::pair(b.facts.date, b.facts.response_time);
}

bool is_same_variant(const StoredHead& a, const StoredHead& b) noexcept {
    return a.vary_names == b.vary_names && a.vary_values == b.vary_values;
}

bool fits(const StoredHead& head, const RequestContext& context) {
    return policy::variant_matches(head.vary_names, head.vary_values, context.request.fields,
                                   context.policy.accept_language);
}

} // namespace

void HttpCache::choose_part(const RequestContext& context, const store::Candidates& found, Match& match) {
    for (std::size_t i = 0; i < found.size(); ++i) {
        const store::HeldEntry& entry = found[i];
        const StoredHead head = policy::view_stored_head(entry->metadata());
        if (!head.facts.is_part || !alive(entry) || !fits(head, context)) {
            continue;
        }
        match.reason = match.entry ? Reason::None : Reason::PartialMiss;
        if (const auto part = policy::part_of(head)) {
            match.length = part->complete_length;
        }
        if (entry->body_size() == 0) { // the newest comes first
            match.manifest = match.manifest ? match.manifest : entry;
        }
        const bool is_better = context.facts.range && (!match.entry || is_more_recent(head, match.head));
        if (is_better && policy::assemble_part(context.request, head, entry->body_size(), context.now, 0)) {
            match.entry = entry;
            match.head = head;
            match.reason = Reason::None;
        }
    }
    if (!match.entry && match.length && *match.length <= store_.max_object_bytes()) {
        match.ends = choose_ends(context, found);
    }
}

// The beginning and the end of the representation that was heard of last.
StoredEnds HttpCache::choose_ends(const RequestContext& context, const store::Candidates& found) const {
    struct Candidate {
        const store::HeldEntry* entry;
        StoredHead head;
        policy::ContentPart part;
        policy::PartPlace place;
    };
    boost::container::static_vector<Candidate, store::Candidates::kMax> candidates;
    const Candidate* newest = nullptr;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const StoredHead head = policy::view_stored_head(found[i]->metadata());
        const auto place = policy::place_of(head, found[i]->body_size(), context.policy.immutable);
        // What lies in a file is served, but not put together.
        if (found[i]->file() || place == policy::PartPlace::None || !fits(head, context) || is_dead(*found[i]) ||
            !policy::decide_storability(head.facts, context.policy).store) {
            continue;
        }
        const Candidate& last = candidates.emplace_back(Candidate{&found[i], head, *policy::part_of(head), place});
        newest = newest == nullptr || is_more_recent(head, newest->head) ? &last : newest;
    }
    StoredEnds ends;
    http::ByteSpan missing{0, newest == nullptr ? 0 : newest->part.complete_length - 1};
    const auto take = [&](policy::PartPlace place, store::EntryRef& to) {
        for (const Candidate& one : candidates) {
            const http::ByteSpan& span = one.part.span;
            const bool is_beginning = place == policy::PartPlace::Beginning;
            const bool leaves_less = is_beginning ? span.last >= missing.first && span.last < missing.last
                                                  : span.first > missing.first && span.first <= missing.last;
            if (one.place == place && leaves_less && one.part.complete_length == newest->part.complete_length &&
                is_same_variant(one.head, newest->head) &&
                policy::same_representation(policy::validators_of(one.head), policy::validators_of(newest->head),
                                            context.policy.immutable, context.now)) {
                (is_beginning ? missing.first : missing.last) = is_beginning ? span.last + 1 : span.first - 1;
                to = *one.entry;
            }
        }
    };
    take(policy::PartPlace::Beginning, ends.beginning);
    take(policy::PartPlace::End, ends.end);
    return ends;
}

// RFC 9111 section 3.4: a 206 that is just what is missing of the stored parts makes them whole.
std::optional<HttpCache::BeginResult> HttpCache::begin_completed(Fetch& fetch, const FetchRequest& sent,
                                                                 const http::ResponseHead& response,
                                                                 const http::Framing& framing,
                                                                 http::WallTime request_time,
                                                                 http::WallTime response_time, Intake& intake) {
    const StoredEnds ends = std::exchange(fetch.completing, {});
    // If-Range failed, or the origin knows no ranges: the whole comes. Other answers speak for themselves.
    if (response.status != 206 && response.status != 416) {
        return std::nullopt;
    }
    const bool is_beginning_newer =
        ends.beginning && (!ends.end || is_more_recent(policy::view_stored_head(ends.beginning->metadata()),
                                                       policy::view_stored_head(ends.end->metadata())));
    const StoredHead stored = policy::view_stored_head((is_beginning_newer ? ends.beginning : ends.end)->metadata());
    const policy::ContentPart missing = missing_between(ends);
    const auto part = policy::content_part(response);
    const bool goes_between =
        part && part->span == missing.span && part->complete_length == missing.complete_length &&
        framing == http::Framing{http::Framing::Kind::Length, part->span.size()} &&
        policy::same_representation(policy::validators_of(stored), policy::validators_of(response.fields),
                                    sent.policy.immutable, response_time);
    if (!goes_between || (ends.beginning && is_dead(*ends.beginning)) || (ends.end && is_dead(*ends.end))) {
        return BeginResult::RetryUnconditional;
    }
    auto facts = policy::response_facts(sent.request, sent.facts, sent.cookie_unkeyed, response, request_time,
                                        response_time, sent.policy.targeted_cache_control);
    facts.asker = fetch.asker;
    facts.dice = throw_dice(fetch, response_time);
    http::Fields left_out;
    const http::Fields kept = policy::fields_to_store(response, response_time, &left_out);
    const auto whole = policy::combined_head(stored, facts, kept, std::nullopt, sent.policy.targeted_cache_control);
    if (!policy::decide_storability(whole.facts, sent.policy).store ||
        kept_out(fetch, sent, response, response_time) != Reason::None) {
        return BeginResult::RetryUnconditional;
    }
    const std::string names = policy::nominated_names(whole.lines, sent.policy.vary);
    const std::string values = variant_values(names, sent, whole.lines);
    const std::string secondary = secondary_key(names, values, std::nullopt);
    const store::PutFacts put{fetch.key, fetch.hash, secondary, fetch.sequence};
    intake.writer = store_.open_writer(put, part->complete_length);
    if (!intake.writer || (ends.beginning && !append_entry(*intake.writer->body(), *ends.beginning))) {
        intake = Intake();
        return BeginResult::RetryUnconditional;
    }
    intake.tail = ends.end;
    intake.generate_etag = sent.generate_etag;
    Answer answer;
    answer.kind = Answer::Kind::Response;
    answer.status = whole.facts.status;
    answer.length = part->complete_length;
    answer.head = policy::encode_stored_head(whole.facts, whole.lines, names, values);
    if (left_out.size() > 0) {
        answer.first_head =
            policy::encode_stored_head(whole.facts, policy::with_left_out(whole.lines, left_out), names, values);
    }
    answer.stored = true;
    answer.shared = !fetch.is_private;
    intake.body = intake.writer->body();
    intake.metadata = answer.head;
    answer.body = intake.body;
    fetch.publish(std::move(answer));
    return BeginResult::Answered;
}

// Also what a slower tier has at hand. Nothing is waited for.
void HttpCache::look_everywhere_at_hand(std::string_view key, const store::KeyHash& hash,
                                        store::Candidates& found) const {
    store_.lookup(hash, key, found);
    const store::Below below = store_.bring(hash, key, found, false);
    if (below.kind == store::Below::Kind::Brought) {
        found.clear();
        store_.lookup(hash, key, found);
        found.add(below.unlisted, key);
    }
}

std::vector<PartContent> HttpCache::parts_like(const Fetch& fetch, const StoredHead& arrived, bool immutable) {
    store::Candidates found;
    look_everywhere_at_hand(fetch.key, fetch.hash, found);
    std::vector<PartContent> parts;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const store::HeldEntry& entry = found[i];
        const StoredHead head = policy::view_stored_head(entry->metadata());
        const auto part = head.facts.is_part && is_same_variant(head, arrived) ? policy::part_of(head) : std::nullopt;
        if (part && part->span.size() == entry->body_size() && !entry->file() && alive(entry) &&
            part->complete_length == policy::part_of(arrived)->complete_length &&
            policy::same_representation(policy::validators_of(head), policy::validators_of(arrived), immutable,
                                        arrived.facts.response_time)) {
            parts.push_back({*part, entry->body(), entry});
        }
    }
    return parts;
}

Reason HttpCache::commit_part(Fetch& fetch, Intake& intake) {
    const StoredHead arrived = policy::view_stored_head(intake.metadata);
    const auto part = policy::part_of(arrived);
    const std::uint64_t bytes = intake.body->published();
    // Where the end of the connection is the end of the content, only Content-Range can tell a part from a torn one.
    if (!part || bytes == 0 || bytes > part->span.size() || (intake.until_close && bytes != part->span.size())) {
        return Reason::ContentRange;
    }
    if (bytes == part->span.size() && commit_combined(fetch, intake, arrived, *part)) {
        return Reason::None;
    }
    return commit_writer(fetch, *intake.writer, intake.metadata);
}

// RFC 9111 section 3.4: parts that share a strong validator are combined.
bool HttpCache::commit_combined(Fetch& fetch, const Intake& intake, const StoredHead& arrived,
                                const policy::ContentPart& part) {
    PartContent own{part, intake.body->first_block(), {}};
    const auto run = touching_parts(std::move(own), parts_like(fetch, arrived, intake.policy->immutable));
    const http::ByteSpan span = span_of(run);
    if (run.size() == 1 || span.size() > store_.max_object_bytes()) {
        return false;
    }
    // The stored part with the most recent fields is the one that is updated. RFC 9110 section 15.3.7.3
    const PartContent* base = nullptr;
    for (const PartContent& one : run) {
        if (one.entry && (base == nullptr || is_more_recent(policy::view_stored_head(one.entry->metadata()),
                                                            policy::view_stored_head(base->entry->metadata())))) {
            base = &one;
        }
    }
    const bool is_whole = span.size() == part.complete_length;
    const auto combined_part = is_whole ? std::nullopt : std::optional(policy::ContentPart{span, part.complete_length});
    auto head = policy::combined_head(policy::view_stored_head(base->entry->metadata()), arrived.facts,
                                      arrived.fields(), combined_part, intake.policy->targeted_cache_control);
    if (!policy::decide_storability(head.facts, *intake.policy).store) {
        return false;
    }
    const std::string secondary = secondary_key(arrived.vary_names, arrived.vary_values, combined_part);
    const auto writer = store_.open_writer({fetch.key, fetch.hash, secondary, fetch.sequence}, span.size());
    if (!writer || !append_run(*writer->body(), run)) {
        return false;
    }
    writer->body()->complete();
    if (intake.generate_etag && policy::lacks_entity_tag(head.facts.status, head.lines)) {
        store::ContentHash hash;
        hash.update({writer->body()->first_block(), span.size()}, span.size());
        policy::put_generated_tag(hash.digest(), head.lines, head.facts);
    }
    const std::string metadata =
        policy::encode_stored_head(head.facts, head.lines, arrived.vary_names, arrived.vary_values);
    if (commit_writer(fetch, *writer, metadata) != Reason::None) {
        return false;
    }
    for (const PartContent& one : run) {
        if (one.entry) {
            store_.erase(one.entry); // gone already where the combined one took its name
        }
    }
    return true;
}

void HttpCache::drop_parts(const Fetch& fetch, const StoredHead& whole) {
    store::Candidates found;
    look_everywhere_at_hand(fetch.key, fetch.hash, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const StoredHead head = policy::view_stored_head(found[i]->metadata());
        if (head.facts.is_part && is_same_variant(head, whole)) {
            store_.erase(found[i]);
        }
    }
}

} // namespace gatehouse::cache
