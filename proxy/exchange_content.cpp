// A request whose content is part of its key: it is read whole before anything is looked up, and what is sent to the
// origin, once or again, comes out of memory.
#include "proxy/exchange.h"

#include "cache/policy/cache_key.h"
#include "proxy/content_key.h"

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;

namespace {
// Memory is taken as content comes, not as a client announces it.
constexpr std::uint64_t kReadBytes = 16 * 1024;
constexpr std::uint64_t kLeastRoom = 1024; // of RequestBody::read_some
} // namespace

awaitable<Exchange::Content> Exchange::read_content(RequestBody& body) {
    // The client holds its content back until it hears that it is wanted. RFC 9110 section 10.1.1
    if (body.expects_continue()) {
        http::ResponseHead proceed;
        proceed.status = 100;
        sink_.interim(proceed);
        const bool sent = co_await sink_.flush();
        if (!sent) {
            client_left();
            co_return Content::None;
        }
        body.continue_sent();
    }
    state_.head.fields.remove("Expect"); // the content is there when the origin is asked
    const std::uint64_t most = state_.behavior->policy_ref->key.max_body_bytes;
    const http::Framing& framing = body.framing();
    const auto content = std::make_shared<std::string>();
    while (!body.done() && content->size() <= most) {
        const std::size_t old = content->size();
        std::uint64_t bytes = kReadBytes;
        if (framing.kind == http::Framing::Kind::Length) {
            bytes = std::clamp(framing.length - old, kLeastRoom, kReadBytes);
        }
        content->resize(old + static_cast<std::size_t>(bytes));
        const std::span<char> room(content->data() + old, static_cast<std::size_t>(bytes));
        const RequestBody::Read got = co_await body.read_some(room);
        content->resize(old + got.bytes);
        if (got.error) {
            answer_error(*got.error, nullptr);
            co_return Content::None;
        }
    }
    if (content->size() > most) {
        body.put_back(content);
        co_return Content::TooLarge;
    }
    content->shrink_to_fit(); // it may wait for long
    state_.content = content;
    co_return Content::Whole;
}

// False: the client was told what is wrong, or is gone.
awaitable<bool> Exchange::plan_with_content(std::shared_ptr<RequestBody> body) {
    const Content content = co_await read_content(*body);
    if (content == Content::None) {
        co_return false;
    }
    content_first_ = false;
    state_.facts.content_too_large = content == Content::TooLarge;
    state_.decision = policy::decide_request(state_.facts, *state_.behavior->policy_ref);
    if (content == Content::Whole) {
        policy::append_method_to_key(state_.head, content_digest_text(*state_.content), state_.key);
        state_.hash = cache::store::hash_key(state_.key);
    }
    state_.plan = worker_.cache.plan(context(), state_.decision);
    if (state_.plan.kind == cache::Plan::Kind::Serve && !state_.plan.leader) {
        state_.content.reset(); // nobody sends it, and who reads the answer may take long
    }
    co_return true;
}

// A fetch may outlive its client, and sends again what did not arrive.
std::shared_ptr<RequestBody> Exchange::body_to_send(std::shared_ptr<RequestBody> body) const {
    if (!state_.content) {
        return body;
    }
    return state_.content->empty() ? nullptr : std::make_shared<RequestBody>(worker_.core, state_.content);
}

} // namespace gatehouse::proxy
