// A request whose content is part of its key: it is read whole before anything is looked up, and what is sent to the
// origin, once or again, comes out of memory.
#include "proxy/exchange.h"

#include "cache/policy/cache_key.h"
#include "proxy/content_key.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;

namespace {
// Memory is taken as content comes, not as a client announces it.
constexpr std::uint64_t kReadBytes = 16 * 1024;
constexpr std::uint64_t kLeastRoom = 1024; // of RequestBody::read_some

// Content that counts against limits.keyed_content_size for as long as anybody holds it.
class HeldContent {
public:
    explicit HeldContent(std::atomic<std::uint64_t>& held_in_all) noexcept : held_in_all_(held_in_all) {}
    ~HeldContent() { held_in_all_.fetch_sub(charged_, std::memory_order_relaxed); }
    HeldContent(const HeldContent&) = delete;
    HeldContent& operator=(const HeldContent&) = delete;

    // False: there would be more than `most` in all. What was charged stays charged.
    bool charge(std::uint64_t bytes, std::uint64_t most) noexcept {
        const std::uint64_t before = held_in_all_.fetch_add(bytes, std::memory_order_relaxed);
        charged_ += bytes;
        return before + bytes <= most;
    }

    std::string text;

private:
    std::atomic<std::uint64_t>& held_in_all_;
    std::uint64_t charged_ = 0;
};
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
    const config::Config& config = *state_.config;
    const auto held = std::make_shared<HeldContent>(worker_.connections.keyed_content_bytes);
    const std::shared_ptr<std::string> content(held, &held->text);
    const http::SteadyTime begun = worker_.core.clock().steady_now();
    bool has_room = true;
    while (!body.done() && content->size() <= most && has_room) {
        const std::size_t old = content->size();
        std::uint64_t bytes = kReadBytes;
        if (framing.kind == http::Framing::Kind::Length) {
            bytes = std::clamp(framing.length - old, kLeastRoom, kReadBytes);
        }
        content->resize(old + static_cast<std::size_t>(bytes));
        const std::span<char> room(content->data() + old, static_cast<std::size_t>(bytes));
        const RequestBody::Read got = co_await body.read_some(room);
        content->resize(old + got.bytes);
        has_room = held->charge(got.bytes, config.limits.keyed_content_bytes);
        // A client that sends a byte now and then does not keep its content here for ever.
        const bool is_late = !body.done() && worker_.core.clock().steady_now() - begun > config.timeouts.body;
        if (got.error || is_late) {
            body.give_up();
            policy::CacheResult refused;
            refused.forwarded = policy::Forwarded::Bypass;
            refused.error = true;
            answer_error(got.error ? *got.error
                                   : http::Error(http::ErrorKind::RequestTimeout,
                                                 "the content did not come within timeouts.body"),
                         &refused);
            co_return Content::None;
        }
    }
    if (content->size() > most || !has_room) {
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
    return state_.content->empty() ? nullptr : std::make_shared<RequestBody>(state_.content);
}

} // namespace gatehouse::proxy
