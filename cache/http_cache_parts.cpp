// Partial content (cache/policy/partial.h): stored parts are found, completed and combined.
#include "cache/http_cache.h"

#include "cache/parts.h"
#include "cache/policy/partial.h"
#include "cache/policy/storability.h"
#include "cache/policy/variant.h"

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

} // namespace

void HttpCache::choose_part(const RequestContext& context, const store::Candidates& found, Match& match) {
    for (std::size_t i = 0; i < found.size(); ++i) {
        const store::EntryRef& entry = found[i];
        const StoredHead head = policy::view_stored_head(entry->metadata());
        if (!head.facts.is_part || !alive(entry) ||
            !policy::variant_matches(head.vary_names, head.vary_values, context.request.fields,
                                     context.policy.accept_language)) {
            continue;
        }
        match.reason = match.entry ? Reason::None : Reason::PartialMiss;
        if (context.facts.range) {
            const bool is_better = !match.entry || is_more_recent(head, match.head);
            if (is_better && policy::assemble_part(context.request, head, entry->body_size(), context.now)) {
                match.entry = entry;
                match.head = head;
                match.reason = Reason::None;
            }
        }
        const auto part = policy::part_of(head);
        if (part) {
            match.length = part->complete_length;
        }
        const bool is_better = !match.beginning || is_more_recent(head, match.beginning_head);
        if (is_better && part && part->complete_length <= store_.max_object_bytes() &&
            policy::decide_storability(head.facts, context.policy).store &&
            policy::completion_of(head, entry->body_size(), context.policy.immutable)) {
            match.beginning = entry;
            match.beginning_head = head;
        }
    }
}

// RFC 9111 section 3.4: a 206 that goes on where the stored beginning ends makes it whole.
std::optional<HttpCache::BeginResult> HttpCache::begin_completed(Fetch& fetch, const FetchRequest& sent,
                                                                 const http::ResponseHead& response,
                                                                 const http::Framing& framing,
                                                                 http::WallTime request_time,
                                                                 http::WallTime response_time, Intake& intake) {
    const store::EntryRef beginning = std::exchange(fetch.completing, {});
    // If-Range failed, or the origin knows no ranges: the whole comes. Other answers speak for themselves.
    if (response.status != 206 && response.status != 416) {
        return std::nullopt;
    }
    const StoredHead stored = policy::view_stored_head(beginning->metadata());
    const auto stored_part = policy::part_of(stored);
    const auto part = policy::content_part(response);
    const bool goes_on =
        part && stored_part && part->span.first == stored_part->span.last + 1 &&
        part->span.last + 1 == part->complete_length && part->complete_length == stored_part->complete_length &&
        framing == http::Framing{http::Framing::Kind::Length, part->span.size()} &&
        policy::same_representation(policy::validators_of(stored), policy::validators_of(response.fields),
                                    sent.policy.immutable, response_time);
    if (!goes_on || killed(beginning->key(), beginning->metadata(), beginning->sequence(), 0)) {
        return BeginResult::RetryUnconditional;
    }
    auto facts = policy::response_facts(sent.request, sent.facts, sent.cookie_unkeyed, response, request_time,
                                        response_time, sent.policy.targeted_cache_control);
    facts.asker = fetch.asker;
    http::Fields left_out;
    const http::Fields kept = policy::fields_to_store(response, response_time, &left_out);
    const auto whole = policy::combined_head(stored, facts, kept, std::nullopt, sent.policy.targeted_cache_control);
    if (!policy::decide_storability(whole.facts, sent.policy).store ||
        kept_out(fetch, sent, response, response_time) != Reason::None) {
        return BeginResult::RetryUnconditional;
    }
    const std::string names = policy::nominated_names(whole.lines);
    const std::string values = variant_values(names, sent, whole.lines);
    const std::string secondary = secondary_key(names, values, std::nullopt);
    const store::PutFacts put{fetch.key, fetch.hash, secondary, fetch.sequence};
    intake.writer = store_.open_writer(put, part->complete_length);
    if (!intake.writer ||
        !append_content(*intake.writer->body(), {beginning->body(), beginning->body_size()}, beginning->body_size())) {
        intake = Intake();
        return BeginResult::RetryUnconditional;
    }
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

std::vector<PartContent> HttpCache::parts_like(const Fetch& fetch, const StoredHead& arrived, bool immutable) {
    store::Candidates found;
    store_.lookup(fetch.hash, fetch.key, found);
    std::vector<PartContent> parts;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const store::EntryRef& entry = found[i];
        const StoredHead head = policy::view_stored_head(entry->metadata());
        const auto part = head.facts.is_part && is_same_variant(head, arrived) ? policy::part_of(head) : std::nullopt;
        if (part && part->span.size() == entry->body_size() && alive(entry) &&
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
    const auto head = policy::combined_head(policy::view_stored_head(base->entry->metadata()), arrived.facts,
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
    store_.lookup(fetch.hash, fetch.key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const StoredHead head = policy::view_stored_head(found[i]->metadata());
        if (head.facts.is_part && is_same_variant(head, whole)) {
            store_.erase(found[i]);
        }
    }
}

} // namespace gatehouse::cache
