// How an exchange has its request sent: the order for a fetch, shared or private, and what becomes of it when the client
// leaves.
#include "proxy/error_page.h"
#include "proxy/exchange.h"

#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using cache::Fetch;
using cache::Plan;

OriginRequestFacts Exchange::origin_request_facts() const {
    OriginRequestFacts facts{state_.head, state_.target, state_.facts, *state_.behavior, client_.address,
                             client_.scheme};
    facts.trusted_client = client_.trusted;
    return facts;
}

void Exchange::send_order(FetchOrder&& order) {
    order.config = state_.config;
    order.behavior = state_.behavior;
    order.client_request = state_.head;
    if (worker_.fetcher) {
        worker_.fetcher(worker_, order);
    } else {
        start_fetch(worker_, std::move(order));
    }
}

void Exchange::start(const std::shared_ptr<Fetch>& fetch, bool for_store, bool conditional,
                     std::shared_ptr<RequestBody> body, std::shared_ptr<TunnelSlot> tunnel) {
    body = body_to_send(std::move(body));
    OriginRequestFacts facts = origin_request_facts();
    facts.for_store = for_store;
    facts.validate = conditional ? &state_.plan.head : nullptr;
    facts.has_content = body != nullptr;
    facts.as_part = state_.plan.as_part;
    policy::Completion completion;
    if (const cache::StoredEnds& stored = fetch->completing) {
        completion = cache::completion_of(stored);
        facts.completion = &completion;
    }
    if (fetch->slice) {
        completion = {policy::range_of(*fetch->slice), fetch->slice_validator};
        facts.completion = &completion;
        facts.as_part = false; // not the client's
    }
    FetchOrder order;
    order.fetch = fetch;
    order.request = make_origin_request(facts);
    order.facts = state_.facts;
    if (for_store && state_.is_head()) {
        order.facts.method = http::Method::Get; // it is asked with GET
    }
    order.framing = body ? body->framing() : http::Framing();
    // A PUT or POST without content says so: some origins answer 411 otherwise.
    const auto method = state_.facts.method;
    if (!body && (method == http::Method::Post || method == http::Method::Put || method == http::Method::Patch)) {
        order.framing.kind = http::Framing::Kind::Length;
    }
    order.body = std::move(body);
    order.tunnel = std::move(tunnel);
    order.may_store = for_store || may_store_post();
    if (!http::is_safe(method) && !state_.facts.method_is_cached) {
        order.unsafe = UnsafeTarget{state_.target, std::string(client_.scheme)};
    }
    order.as_part = state_.plan.as_part;
    send_order(std::move(order));
}

void Exchange::start_rest(const std::shared_ptr<Fetch>& fetch, const policy::Completion& rest) {
    OriginRequestFacts facts = origin_request_facts();
    facts.for_store = true; // asked for as what is stored was
    facts.completion = &rest;
    FetchOrder order;
    order.fetch = fetch;
    order.request = make_origin_request(facts);
    order.facts = state_.facts;
    send_order(std::move(order));
}

void Exchange::start_background() { start(state_.plan.fetch, true, state_.plan.validate, nullptr, nullptr); }

// Whether the answer may be stored if it says that it represents the target (RFC 9110 section 9.3.3). A POST is
// forwarded whole: only where the key holds everything that the origin sees may it be stored for others.
bool Exchange::may_store_post() const {
    const config::CachePolicy& policy = *state_.behavior->policy_ref;
    return state_.facts.method == http::Method::Post && !state_.facts.method_is_cached && policy.forward_everything &&
           !policy.disabled && !state_.facts.upgrade;
}

// Makes the plan one for this client alone.
void Exchange::plan_private() {
    Plan& plan = state_.plan;
    plan.kind = Plan::Kind::Alone;
    plan.fetch = worker_.cache.make_private_fetch(worker_.core.index());
    plan.leader = true;
    plan.result.collapsed = false;
    if (plan.may_store || may_store_post()) {
        plan.fetch->key = state_.key;
        plan.fetch->hash = state_.hash;
        if (plan.may_store && plan.validate) {
            plan.fetch->validating = plan.entry;
        }
    }
    if (state_.is_head() && !plan.may_store) {
        plan.fetch->head_of = plan.entry;
    }
}

void Exchange::launch(const std::shared_ptr<RequestBody>& body, const std::shared_ptr<TunnelSlot>& tunnel) {
    if (state_.page) { // begin() came upon a stored error
        launch_page();
        return;
    }
    Plan& plan = state_.plan;
    if (content_first_) {
        return; // there is no plan yet
    }
    if (plan.kind == Plan::Kind::Serve) {
        if (plan.leader) {
            start_background();
        }
        return;
    }
    if (plan.kind == Plan::Kind::Slices || plan.kind == Plan::Kind::Load) {
        return; // each slice has a plan of its own, and there is none before what the disk has is known
    }
    if (plan.kind == Plan::Kind::Alone) {
        plan_private();
    }
    if (plan.leader) {
        for_store_ = plan.may_store;
        plan.fetch->expect_initiator();
        start(plan.fetch, plan.may_store, plan.may_store && plan.validate, body, tunnel);
    } else {
        for_store_ = true;
        if (page_ == nullptr) { // the request for the page is none of a client's
            worker_.core.metrics().collapsed.add();
        }
    }
}

void Exchange::abandon() {
    if (state_.page) {
        state_.page->exchange->abandon();
    } else if (state_.plan.leader) {
        state_.plan.fetch->initiator_left();
    }
    client_left();
}

} // namespace gatehouse::proxy
