// One cache with a real memory store, two cores that are queues, and an origin that is a function call: what the
// scenarios of HttpCache are told with.
#pragma once

#include "cache/http_cache.h"
#include "http/conditional.h"
#include "tests/unit/cache/harness.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <optional>

namespace gatehouse::cache::testing {

using policy::Forwarded;
using policy::Reason;
using policy::testing::kArrival;
using policy::testing::request_of;
using policy::testing::response_of;
using policy::testing::rfc9111;

inline const http::Error kBrokeOff(http::ErrorKind::ResponseIncomplete, "the content ended before it was complete");

inline http::WallTime after(long seconds) { return kArrival + std::chrono::seconds(seconds); }

// One client's request; keeps what a RequestContext refers to.
struct Client {
    http::RequestHead request;
    policy::RequestFacts facts;
    policy::RequestDecision decision;
    std::string key;
    unsigned core = 0;
    std::uint64_t arrived = ~std::uint64_t{0};
    Plan plan;
};

// A store in which something happens on another core between two steps of this one.
class InterruptedStore final : public store::Store {
public:
    explicit InterruptedStore(std::unique_ptr<store::Store> inner) : inner_(std::move(inner)) {}
    void lookup(const store::KeyHash& hash, std::string_view key, store::Candidates& found) override {
        inner_->lookup(hash, key, found);
        if (const auto job = std::exchange(after_lookup, nullptr)) {
            job();
        }
    }
    const std::atomic<std::uint64_t>* changes(const store::KeyHash& hash) const noexcept override {
        return inner_->changes(hash);
    }
    void touch(const store::Entry& entry) noexcept override { inner_->touch(entry); }
    std::unique_ptr<store::Writer> open_writer(const store::PutFacts& facts,
                                               std::optional<std::uint64_t> expected_bytes) override {
        return inner_->open_writer(facts, expected_bytes);
    }
    std::shared_ptr<store::Body> open_relay(std::optional<std::uint64_t> expected_bytes) override {
        return inner_->open_relay(expected_bytes);
    }
    store::EntryRef replace_metadata(const store::EntryRef& old, std::string_view secondary_key,
                                     std::string_view metadata, std::uint64_t sequence) override {
        return inner_->replace_metadata(old, secondary_key, metadata, sequence);
    }
    bool erase(const store::EntryRef& entry) override { return inner_->erase(entry); }
    std::uint64_t max_object_bytes() const noexcept override { return inner_->max_object_bytes(); }
    void for_each(const std::function<void(const store::EntryRef&)>& visit) override { inner_->for_each(visit); }
    store::StoreStats stats() const override { return inner_->stats(); }

    std::function<void()> after_lookup; // once

private:
    std::unique_ptr<store::Store> inner_;
};

struct CacheBench {
    QueuePoster poster;
    std::unique_ptr<InterruptedStore> store;
    config::CachePolicy policy = rfc9111();
    HttpCache cache;
    http::WallTime now = kArrival;
    bool generate_etag = false;
    // Of each core. What is asked for once is kept, so that each scenario is one of what a core keeps, too.
    std::array<std::unique_ptr<store::CoreTable>, 2> near;

    explicit CacheBench(std::uint64_t size_bytes = 4 * 1024 * 1024, std::uint64_t max_object_bytes = 256 * 1024,
                        const HttpCache::Options& options = {})
        : store(std::make_unique<InterruptedStore>(small_store(size_bytes, max_object_bytes))),
          cache(*store, poster, options) {
        for (auto& table : near) {
            table = std::make_unique<store::CoreTable>(*store, [] {}, 1);
        }
    }

    static std::string key_for(std::string_view path) { return "rules|*\napi\nh\n" + std::string(path) + "\n\n"; }
    // "GET" with these field lines; "HEAD\n..." for another method.
    std::unique_ptr<Client> client(std::string_view lines = "", std::string_view path = "/a", unsigned core = 0) {
        auto made = std::make_unique<Client>();
        made->request = request_of(lines);
        made->facts = policy::request_facts(made->request, false);
        made->decision = policy::decide_request(made->facts, policy);
        made->key = key_for(path);
        made->core = core;
        return made;
    }
    RequestContext context(const Client& client) const {
        return {client.request, client.facts, policy,        client.key, store::hash_key(client.key),
                client.core,    now,          client.arrived, false, 0, nullptr, {}, nullptr,
                near[client.core].get()};
    }
    Plan& ask(Client& client) {
        client.plan = cache.plan(context(client), client.decision);
        return client.plan;
    }
    // What Exchange does when it is told to join again.
    Plan& ask_again(Client& client) {
        client.arrived = client.plan.arrived;
        return ask(client);
    }
    std::unique_ptr<Client> asking(std::string_view lines = "", std::string_view path = "/a", unsigned core = 0) {
        auto made = client(lines, path, core);
        ask(*made);
        return made;
    }
    Resolution resolve(Client& client) { return cache.resolve(context(client), client.plan); }

    // What Exchange does with a plan for one client alone.
    void go_alone(Client& client) {
        client.plan.kind = Plan::Kind::Alone;
        client.plan.fetch = cache.make_private_fetch(client.core);
        client.plan.leader = true;
        if (client.facts.method == http::Method::Head && !client.plan.may_store) {
            client.plan.fetch->head_of = client.plan.entry;
        }
        if (client.plan.may_store) {
            client.plan.fetch->key = client.key;
            client.plan.fetch->hash = store::hash_key(client.key);
            if (client.plan.validate) {
                client.plan.fetch->validating = client.plan.entry;
            }
        }
    }

    // ---- the origin's side of a client's fetch
    struct Sent {
        Client& client;
        policy::RequestFacts facts;
        bool may_store;
    };
    void send(Client& client) { cache.sending(*client.plan.fetch); }
    HttpCache::BeginResult head(Client& client, std::string_view response, Intake& intake) {
        policy::RequestFacts facts = client.facts;
        if (client.plan.may_store) {
            facts.method = http::Method::Get;
        }
        const http::ResponseHead answer = response_of(response);
        http::Framing framing;
        if (!http::status_has_no_content(answer.status) && facts.method != http::Method::Head) {
            framing = *http::response_framing(answer, facts.method);
        }
        FetchRequest sent{client.request, facts, policy};
        sent.may_store = client.plan.may_store;
        sent.as_part = client.plan.as_part;
        sent.conditional = client.plan.may_store ? static_cast<bool>(client.plan.fetch->validating)
                                                 : http::has_cache_precondition(client.request.fields);
        sent.sent_method = facts.method;
        sent.generate_etag = generate_etag;
        return cache.begin(*client.plan.fetch, sent, answer, framing, now, now, intake);
    }
    // The whole answer at once. Returns why it was not stored.
    Reason answer(Client& client, std::string_view response, std::string_view body = "") {
        send(client);
        Intake intake;
        const auto begun = head(client, response, intake);
        CHECK(begun == HttpCache::BeginResult::Answered);
        if (intake.body) {
            CHECK(fill(*intake.body, body) == body.size());
            intake.took(body);
        }
        return cache.finish(*client.plan.fetch, intake);
    }
    // A stored response to start from.
    void stored(std::string_view response, std::string_view body = "", std::string_view request = "",
                std::string_view path = "/a") {
        const auto first = asking(request, path);
        REQUIRE(first->plan.leader);
        REQUIRE(answer(*first, response, body) == Reason::None);
    }
};

inline std::string stored_text(const store::EntryRef& entry) {
    store::Body::Cursor cursor(entry->body(), entry->body_size());
    return drain(cursor);
}

inline std::string read_answer(const Fetch& fetch) {
    auto cursor = fetch.answer().body->open();
    return cursor ? drain(*cursor) : std::string("(not readable)");
}

} // namespace gatehouse::cache::testing
