// The fetch task's side: what an origin answered is judged, published, stored. What clients get: http_cache.cpp.
#include "cache/http_cache.h"

#include "cache/equal_queries.h"
#include "cache/policy/cache_groups.h"
#include "cache/policy/language.h"
#include "cache/policy/partial.h"
#include "cache/policy/storability.h"
#include "cache/policy/validation.h"
#include "cache/policy/variant.h"
#include "cache/store/load.h"

namespace gatehouse::cache {

using policy::Reason;
using policy::StoredHead;

namespace {

// Whether a reason not to store lies in the request that happened to be sent.
bool is_about_request(Reason reason) noexcept {
    return reason == Reason::RequestNoStore || reason == Reason::Authorization || reason == Reason::CookieForwarded;
}

// Whether the next request for the same key will most likely not be storable either. What lies in this request, in a
// purge or in the memory of the moment says nothing about the next one, and neither does an error of the origin: an
// origin in trouble needs collapsing most.
bool is_lasting(Reason reason, int status, const config::CachePolicy& policy) noexcept {
    return !is_about_request(reason) && reason != Reason::PurgedMeanwhile && reason != Reason::MemoryBudget &&
           !policy::is_stale_if_error_status(status, policy);
}

// The length of the content, or for HEAD of what GET would have given.
std::optional<std::uint64_t> declared_length(const FetchRequest& sent, const http::ResponseHead& response,
                                             const http::Framing& framing) {
    http::Framing declared = framing;
    if (sent.sent_method == http::Method::Head && !http::status_has_no_content(response.status)) {
        const auto of_get = http::response_framing(response, http::Method::Get);
        declared = of_get ? *of_get : http::Framing();
    }
    return declared.kind == http::Framing::Kind::Length ? std::optional(declared.length) : std::nullopt;
}

// Whether a 206 holds all of the representation, as the answer to "bytes=0-" does; its framing says that it will be all
// there. It is stored as what it makes (RFC 9110 section 15.3.7.3): a 200.
bool is_part_of_everything(const http::ResponseHead& response, const http::Framing& framing) {
    const auto part = policy::content_part(response);
    return part && part->span.size() == part->complete_length &&
           framing == http::Framing{http::Framing::Kind::Length, part->complete_length};
}

std::string whole_of(std::string_view head, const config::CachePolicy& policy) {
    const StoredHead part = policy::view_stored_head(head);
    const auto whole =
        policy::combined_head(part, part.facts, part.fields(), std::nullopt, policy.targeted_cache_control);
    return policy::encode_stored_head(whole.facts, whole.lines, part.vary_names, part.vary_values);
}

// RFC 9111 sections 5.2.2.4 and 5.2.2.7: fields that these directives name are kept from others, not from the client
// that the answer is for. Empty when there are none.
std::string first_head(const policy::ResponseFacts& facts, const http::Fields& stored, const http::Fields& left_out,
                       std::string_view names, std::string_view values) {
    if (left_out.size() == 0) {
        return {};
    }
    return policy::encode_stored_head(facts, policy::with_left_out(stored, left_out), names, values);
}

} // namespace

// A throw for each answer, so that those of one moment have different jitter, and those of one URL on several
// instances.
std::uint16_t HttpCache::throw_dice(const Fetch& fetch, http::WallTime response_time) const noexcept {
    if (!options_.throws_dice) {
        return 0;
    }
    std::uint64_t mixed = fetch.hash.low ^ static_cast<std::uint64_t>(response_time.time_since_epoch().count());
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9; // the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::uint16_t>(mixed >> 48);
}

// What the names that a response nominates stand for in the request that caused it.
std::string HttpCache::variant_values(std::string_view names, const FetchRequest& sent, const http::Fields& response) {
    const auto matching = sent.policy.accept_language;
    const bool by_language = matching == config::LanguageMatching::Preferred;
    return policy::variant_key(names, sent.request.fields, matching,
                               by_language ? policy::content_language(response) : std::string());
}

// RFC 9111 section 4.3.4: the stored response is updated with the fields of the 304 and judged anew.
void HttpCache::freshen(Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& not_modified,
                        http::WallTime request_time, http::WallTime response_time) {
    const StoredHead stored = policy::view_stored_head(fetch.validating->metadata());
    auto updated = policy::freshen(stored, not_modified, sent.facts, sent.cookie_unkeyed, request_time, response_time,
                                   sent.policy.targeted_cache_control);
    updated.facts.asker = fetch.asker;
    updated.facts.dice = throw_dice(fetch, response_time);
    const std::string names = policy::nominated_names(updated.lines, sent.policy.vary);
    const std::string values = variant_values(names, sent, updated.lines);
    std::string metadata = policy::encode_stored_head(updated.facts, updated.lines, names, values);
    Answer answer;
    answer.kind = Answer::Kind::Freshened;
    answer.first_head = first_head(updated.facts, updated.lines, updated.left_out, names, values);
    const policy::StoreDecision decision = policy::decide_storability(updated.facts, sent.policy);
    if (decision.store) {
        answer.entry = store_.replace_metadata(fetch.validating, secondary_key(names, values, policy::part_of(stored)),
                                               metadata, fetch.sequence);
        if (auto rule = rule_of_update(fetch, sent, *fetch.validating, updated.lines)) {
            static_cast<void>(rules_.learn(fetch.validating->key(), *std::move(rule), purges_));
        }
    } else if (!is_about_request(decision.reason)) {
        store_.erase(fetch.validating);
    }
    if (!answer.entry) {
        // Evicted or replaced meanwhile, or not to be stored any longer: it still answers this request.
        answer.entry = fetch.validating;
        answer.head = std::move(metadata);
    }
    table_.remove(fetch);
    fetch.publish(std::move(answer));
}

// RFC 9111 section 4.3.5: the 200 to a HEAD updates the stored response that it confirms, and ends any other.
void HttpCache::take_head(const Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                          http::WallTime request_time, http::WallTime response_time) {
    const StoredHead stored = policy::view_stored_head(fetch.head_of->metadata());
    const auto part = policy::part_of(stored);
    if (!policy::confirms(response, stored, part ? part->complete_length : fetch.head_of->body_size()) ||
        changes_place(*fetch.head_of, response.fields)) {
        store_.erase(fetch.head_of);
        return;
    }
    // no-store in the request: nothing of the answer is stored. RFC 9111 section 5.2.1.5
    if (sent.facts.cache_control.no_store ||
        killed(fetch.head_of->key(), fetch.head_of->metadata(), fetch.head_of->sequence(), 0)) {
        return;
    }
    auto updated = policy::freshen(stored, response, sent.facts, sent.cookie_unkeyed, request_time, response_time,
                                   sent.policy.targeted_cache_control);
    updated.facts.dice = throw_dice(fetch, response_time);
    const policy::StoreDecision decision = policy::decide_storability(updated.facts, sent.policy);
    if (decision.store) {
        const std::string names = policy::nominated_names(updated.lines, sent.policy.vary);
        const std::string values = variant_values(names, sent, updated.lines);
        store_.replace_metadata(fetch.head_of, secondary_key(names, values, part),
                                policy::encode_stored_head(updated.facts, updated.lines, names, values),
                                fetch.sequence);
    } else if (!is_about_request(decision.reason)) {
        store_.erase(fetch.head_of);
    }
}

// Why a storable response is not stored after all, or None.
Reason HttpCache::kept_out(const Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                           http::WallTime now) {
    if (fetch.key.empty()) {
        return Reason::NotShareable; // it was made for one client only
    }
    if (purges_.kills(fetch.key, fetch.sequence, 0) ||
        purges_.kills_group(fetch.key, policy::stored_groups(response.fields), fetch.sequence, 0)) {
        return Reason::PurgedMeanwhile;
    }
    if (policy::is_stale_if_error_status(response.status, sent.policy)) {
        // An error that a stored response may hide must not take its place: it would be gone when it is needed.
        const auto hides = [&](const store::Entry& entry) {
            const StoredHead head = policy::view_stored_head(entry.metadata());
            return policy::may_serve_on_error(sent.facts, head.facts, sent.policy, now);
        };
        // The one that was asked about is at hand, wherever it lies; a disk is not waited for.
        if (fetch.validating && !fetch.slice && !is_dead(*fetch.validating) && hides(*fetch.validating)) {
            return Reason::StaleIfError;
        }
        RequestContext context{sent.request, sent.facts, sent.policy, fetch.key, fetch.hash, fetch.home, now};
        const store::Load nothing;
        context.loaded = &nothing;
        Match match = find(context);
        if (const auto equal = match.entry || !fetch.exact_key.empty() ? std::nullopt : equal_key(rules_, context)) {
            match = find(under_rule(context, *equal));
        }
        if (match.entry && hides(*match.entry)) {
            return Reason::StaleIfError;
        }
    }
    return Reason::None;
}

HttpCache::BeginResult HttpCache::begin(Fetch& fetch, const FetchRequest& sent, const http::ResponseHead& response,
                                        const http::Framing& framing, http::WallTime request_time,
                                        http::WallTime response_time, Intake& intake) {
    if (response.status == 304 && fetch.validating) {
        // A purge that came after the content is not undone by a 304, whenever that was asked for; and one of a group
        // that the 304 names, which came while it was asked for, is newer than what it says.
        const store::Entry& entry = *fetch.validating;
        if (!policy::freshens(response, policy::view_stored_head(entry.metadata())) ||
            killed(entry.key(), entry.metadata(), entry.sequence(), 0) || changes_place(entry, response.fields) ||
            purges_.kills_group(entry.key(), policy::stored_groups(response.fields), fetch.sequence, 0)) {
            return BeginResult::RetryUnconditional;
        }
        freshen(fetch, sent, response, request_time, response_time);
        return BeginResult::Answered;
    }
    // A 304 speaks of what the client has (RFC 9110 section 15.4.5). Where nothing was said to be there, it would leave
    // the client with nothing.
    const bool is_question =
        sent.sent_method == http::Method::Get || sent.sent_method == http::Method::Head || sent.facts.method_is_cached;
    if (response.status == 304 && is_question && !sent.conditional) {
        return BeginResult::Unasked;
    }
    if (fetch.head_of && response.status == 200) {
        take_head(fetch, sent, response, request_time, response_time);
    }
    if (fetch.completing) {
        if (const auto begun = begin_completed(fetch, sent, response, framing, request_time, response_time, intake)) {
            return *begun;
        }
    }

    auto facts = policy::response_facts(sent.request, sent.facts, sent.cookie_unkeyed, response, request_time,
                                        response_time, sent.policy.targeted_cache_control);
    facts.asker = fetch.asker;
    facts.dice = throw_dice(fetch, response_time);
    facts.from_post = sent.from_post;
    Answer answer;
    answer.kind = Answer::Kind::Response;
    answer.status = response.status;
    const std::string names = policy::nominated_names(response.fields, sent.policy.vary);
    const std::string values = variant_values(names, sent, response.fields);
    const bool has_content = framing.kind != http::Framing::Kind::None;
    answer.length = declared_length(sent, response, framing);

    const bool is_all = is_part_of_everything(response, framing);

    policy::StoreDecision decision;
    if (sent.may_store) {
        decision = policy::decide_storability(facts, sent.policy);
    }
    if (decision.store && facts.is_part && !sent.as_part) {
        decision = {false, Reason::ContentRange, {}}; // nobody asked for a part
    }
    answer.not_stored = decision.reason;
    if (decision.store) {
        answer.not_stored = kept_out(fetch, sent, response, response_time);
    }
    http::Fields kept;
    http::Fields left_out;
    if (decision.store && answer.not_stored == Reason::None) {
        kept = policy::fields_to_store(response, response_time, &left_out);
        answer.slice = fetch.slice && policy::is_slice(response, framing, kept, response_time, *fetch.slice);
        intake.slice = answer.slice && !is_all;
        const auto part = is_all ? std::nullopt : policy::content_part(response);
        if (!part && !fetch.slice) {
            place_by_rule(fetch, sent, kept, answer, intake);
        }
        const std::string secondary = secondary_key(names, values, part);
        const std::string key =
            intake.slice ? policy::slice_key(fetch.key, *fetch.slice,
                                             policy::strong_validator(policy::validators_of(kept), response_time))
                         : fetch.key;
        const store::PutFacts put{key, intake.slice ? store::hash_key(key) : fetch.hash, secondary, fetch.sequence};
        intake.writer = store_.open_writer(put, has_content ? answer.length : std::uint64_t{0});
        if (!intake.writer && has_content && answer.length && !part && !fetch.slice) {
            intake.writer = store_.open_large_writer(put, *answer.length);
        }
        if (!intake.writer) {
            answer.not_stored = Reason::ResponseTooLarge;
            answer.slice = false;
        }
    }
    if (intake.writer) {
        if (sent.generate_etag && policy::lacks_entity_tag(response.status, response.fields)) {
            if (sent.content) {
                policy::put_generated_tag(*sent.content, kept, facts);
            } else {
                intake.hash.emplace();
            }
        }
        answer.head = policy::encode_stored_head(facts, kept, names, values);
        answer.first_head = first_head(facts, kept, left_out, names, values);
        answer.stored = true;
        answer.shared = !fetch.is_private;
        intake.body = intake.writer->body();
        intake.metadata = is_all ? whole_of(answer.head, sent.policy) : answer.head;
        intake.until_close = framing.kind == http::Framing::Kind::UntilClose;
        intake.policy = facts.is_part && !is_all && !intake.slice ? &sent.policy : nullptr;
        intake.generate_etag = sent.generate_etag;
        uncacheable_.forget(fetch.hash);
    } else {
        answer.head =
            policy::encode_stored_head(facts, policy::fields_to_forward(response, response_time), names, values);
        if (has_content) {
            intake.body = store_.open_relay(answer.length);
        }
        // What is said of one slice, above all that it lies behind the end, says nothing of the whole.
        const bool is_about_whole = !fetch.is_private && (!fetch.slice || response.status == 200);
        if (is_about_whole && is_lasting(answer.not_stored, response.status, sent.policy)) {
            // An error to one query says nothing of those that are equal to it otherwise.
            const bool is_about_query = !fetch.exact_key.empty() && response.status / 100 != 2;
            uncacheable_.remember(is_about_query ? store::hash_key(fetch.own_key()) : fetch.hash,
                                  response_time + options_.uncacheable_memory);
        }
        table_.remove(fetch);
    }
    if (fetch.slice && !answer.slice && is_lasting(answer.not_stored, response.status, sent.policy)) {
        take_no_slice(fetch, response, response_time);
    }
    answer.body = has_content ? intake.body : nullptr;
    fetch.publish(std::move(answer));
    return BeginResult::Answered;
}

void HttpCache::detach(Fetch& fetch, Intake& intake, Reason reason, http::WallTime now) {
    table_.remove(fetch);
    fetch.detach(reason);
    intake.body->switch_to_window();
    intake.writer.reset();
    intake.hash.reset();
    if (!fetch.is_private && reason == Reason::ResponseTooLarge) {
        uncacheable_.remember(fetch.hash, now + options_.uncacheable_memory);
    }
}

// Of content that was put together here, not all has passed through the hash.
void HttpCache::give_tag(Intake& intake) {
    const StoredHead head = policy::view_stored_head(intake.metadata);
    if (!intake.generate_etag || !policy::lacks_entity_tag(head.facts.status, head.fields())) {
        return;
    }
    if (!intake.hash) {
        store::Body& body = *intake.writer->body();
        intake.hash.emplace().update({body.first_block(), body.published()}, body.published());
    }
    intake.metadata = policy::with_generated_tag(intake.hash->digest(), intake.metadata);
}

bool HttpCache::renew_same(const Fetch& fetch, const StoredHead& arrived, std::uint64_t bytes,
                           std::string_view metadata) {
    store::Candidates found;
    store_.lookup(fetch.hash, fetch.key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const store::HeldEntry& entry = found[i];
        const StoredHead head = policy::view_stored_head(entry->metadata());
        // What lies in a file may be given up before its new head is written; what was fetched is at hand.
        const bool is_same = !entry->has_file() && head.facts.etag_generated && head.etag == arrived.etag &&
                             entry->body_size() == bytes &&
                             head.vary_names == arrived.vary_names && head.vary_values == arrived.vary_values;
        if (is_same && entry->sequence() < fetch.sequence && alive(entry)) {
            const std::string secondary = secondary_key(arrived.vary_names, arrived.vary_values, std::nullopt);
            return static_cast<bool>(store_.replace_metadata(entry, secondary, metadata, fetch.sequence));
        }
    }
    return false;
}

Reason HttpCache::commit_writer(const Fetch& fetch, store::Writer& writer, std::string_view metadata) {
    const StoredHead arrived = policy::view_stored_head(metadata);
    if (arrived.facts.etag_generated && renew_same(fetch, arrived, writer.body()->published(), metadata)) {
        return Reason::None;
    }
    const store::EntryRef stored = writer.commit(metadata);
    if (!stored) {
        return Reason::MemoryBudget;
    }
    if (stored->sequence() > fetch.sequence) {
        return Reason::Superseded;
    }
    check_rule(fetch, *stored);
    if (const StoredHead head = policy::view_stored_head(metadata); head.facts.status == 200) {
        drop_parts(fetch, head);
    }
    return Reason::None;
}

Reason HttpCache::finish(Fetch& fetch, Intake& intake) {
    Reason reason = fetch.answer().not_stored;
    if (intake.tail && !append_entry(*intake.body, *intake.tail)) {
        abort(fetch, intake, http::Error(http::ErrorKind::ResponseIncomplete, "there is no memory for all of it"));
        return Reason::MemoryBudget;
    }
    if (intake.body) {
        intake.body->complete();
    }
    if (intake.writer) {
        give_tag(intake);
        if (killed(fetch.key, intake.metadata, fetch.sequence, 0)) {
            reason = Reason::PurgedMeanwhile;
        } else if (intake.policy != nullptr) {
            reason = commit_part(fetch, intake);
        } else {
            reason = commit_writer(fetch, *intake.writer, intake.metadata);
            if (reason == Reason::None) {
                drop_replaced(store_, fetch, intake);
            }
            if (intake.slice && reason != Reason::MemoryBudget) {
                commit_manifest(fetch, intake.metadata);
            }
        }
        intake.writer.reset();
    } else if (fetch.detached_from_store()) {
        reason = fetch.detach_reason();
    }
    // Stored first, then removed: there is no instant at which a new request finds neither.
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    return reason;
}

void HttpCache::abort(Fetch& fetch, Intake& intake, http::Error error) {
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    fetch.set_failure(std::move(error));
    intake.writer.reset();
    if (intake.body) {
        intake.body->fail();
    }
}

void HttpCache::fail(Fetch& fetch, http::Error error) {
    if (!fetch.key.empty()) {
        table_.remove(fetch);
    }
    Answer answer;
    answer.kind = Answer::Kind::Failed;
    answer.error = std::move(error);
    fetch.publish(std::move(answer));
}

} // namespace gatehouse::cache
