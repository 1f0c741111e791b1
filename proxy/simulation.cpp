// An Exchange on a core that is driven by hand, with a sink that keeps what it gets, and fetches that are answered at
// once.
#include "proxy/simulation.h"

#include "cache/http_cache.h"
#include "cache/store/memory_store.h"
#include "http/ascii.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/framing.h"
#include "proxy/content_at_hand.h"
#include "proxy/error_page.h"
#include "proxy/exchange.h"
#include "proxy/fetch_task.h"
#include "proxy/head_parser.h"
#include "proxy/resolver.h"
#include "proxy/response_head_text.h"
#include "proxy/spawn.h"
#include "proxy/worker.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <list>
#include <utility>

namespace gatehouse::proxy {

namespace {

using http::Error;
using http::ErrorKind;

constexpr std::uint64_t kStoreBytes = 16 * 1024 * 1024;

// Jitter and early refreshes are left to the proxy that runs: here the same question has the same answer.
cache::HttpCache::Options without_chance() {
    cache::HttpCache::Options options;
    options.throws_dice = false;
    return options;
}

class StandingClock final : public Clock {
public:
    http::WallTime wall_now() const noexcept override { return wall_; }
    http::SteadyTime steady_now() const noexcept override { return steady_; }
    void move(http::Duration by) noexcept {
        wall_ += by;
        steady_ += by;
    }

private:
    http::WallTime wall_{http::Duration(1'767'225'600'000)}; // Thu, 01 Jan 2026 00:00:00 GMT: the same in every run
    http::SteadyTime steady_{http::Duration(1'000'000)};
};

// Keeps the response of one request.
class RecordingSink final : public ResponseSink {
public:
    explicit RecordingSink(const Clock& clock) : clock_(clock) {}

    void interim(const http::ResponseHead&) override {}
    void head(const Head& head) override { append_response_head(text_, head); }
    void own_response(const http::ResponseHead& head, std::string_view content, bool head_request,
                      const cache::policy::CacheResult* cache, std::string_view shown_key) override {
        append_own_head(text_, head, clock_.wall_now(), cache, shown_key);
        if (!head_request && !http::status_has_no_content(head.status)) {
            content_.append(content);
        }
    }
    void content(std::string_view bytes) override { content_.append(bytes); }
    void content(cache::store::Body::Cursor cursor, std::uint64_t bytes, std::shared_ptr<const void>) override {
        cursor.copy_to(content_, bytes);
    }
    void content(std::shared_ptr<const cache::store::FileBody>, std::uint64_t, std::uint64_t) override {
        assert(false && "there is no disk here");
    }
    void end(const http::Fields*) override {}
    void abort() noexcept override {}
    bool try_flush() noexcept override { return true; }
    awaitable<bool> flush() override { co_return true; }
    std::uint64_t pending_bytes() const noexcept override { return 0; }
    bool head_sent() const noexcept override { return !text_.empty(); }
    bool failed() const noexcept override { return false; }
    void close_after() noexcept override {}

    std::string& content() noexcept { return content_; }
    http::Result<http::ResponseHead> parsed_head() const {
        http::ResponseHead head;
        constexpr HeadLimits kAnySize{64 * 1024 * 1024, 100'000, 8192};
        const HeadParse parsed = parse_response_head(text_ + "\r\n", kAnySize, head);
        if (parsed.state != HeadParse::State::Complete) {
            return Error(ErrorKind::ProtocolError, "what the client would get is no HTTP: " + parsed.error.detail);
        }
        return head;
    }

private:
    const Clock& clock_;
    std::string text_;
    std::string content_;
};

// One core: whoever waits is woken when the loop is turned.
class OneCore final : public cache::CorePoster {
public:
    explicit OneCore(Core& core) : core_(core) {}
    void post(unsigned, std::function<void()> job) override { core_.post(std::move(job)); }
    unsigned cores() const noexcept override { return 1; }

private:
    Core& core_;
};

// The content, in one piece.
bool fill(cache::Intake& intake, std::string_view content) {
    while (!content.empty()) {
        const auto room = intake.body->prepare();
        if (room.state != cache::store::Body::RoomState::Room) {
            return false;
        }
        const std::size_t bytes = std::min(room.room.size(), content.size());
        std::memcpy(room.room.data(), content.data(), bytes);
        intake.took({room.room.data(), bytes});
        intake.body->publish(bytes);
        content.remove_prefix(bytes);
    }
    return true;
}

config::AccessLog no_log() {
    config::AccessLog log;
    log.enabled = false;
    return log;
}

std::unique_ptr<cache::store::Store> make_store() {
    cache::store::MemoryStoreOptions options;
    options.size_bytes = kStoreBytes;
    options.max_object_bytes = kStoreBytes / 4;
    options.relay_bytes = kStoreBytes / 4;
    options.shards = 1;
    return cache::store::make_memory_store(options);
}

} // namespace

struct Simulation::Impl {
    explicit Impl(std::shared_ptr<const config::Config> with)
        : config(std::move(with)),
          core(0, clock, config->behaviors.size()),
          poster(core),
          store(make_store()),
          cache(*store, poster, without_chance()),
          log(no_log(), 1),
          resolver(core, config->dns),
          pool(core, resolver, UpstreamPool::make_totals()),
          trusted(std::make_shared<const TrustedProxies>(config->trusted_proxies)),
          worker(core, cache, pool, log, connections, trusted, config) {
        worker.random.seed(1);
        worker.fetcher = [this](Worker&, FetchOrder& order) { take(std::move(order)); };
        core.poll();
    }
    ~Impl() { resolver.stop(); }

    // A fetch whose origin has not answered yet.
    struct Pending {
        FetchOrder order;
        const SimulatedOrigin& origin;
        http::WallTime sent;
        http::WallTime due;
        bool too_late; // it is given up then
    };
    void take(FetchOrder order);
    void answer(Pending& pending);
    bool answer_once(Pending& pending, http::ResponseHead head);
    bool move_on();

    StandingClock clock;
    std::shared_ptr<const config::Config> config;
    Core core;
    OneCore poster;
    std::unique_ptr<cache::store::Store> store;
    cache::HttpCache cache;
    AccessLog log;
    Resolver resolver;
    UpstreamPool pool;
    ConnectionCount connections;
    std::shared_ptr<const TrustedProxies> trusted;
    Worker worker;

    const SimulatedOrigin* its_origin = nullptr;
    const Pages* pages = nullptr;
    std::string target; // of the request: what else is asked for is a page
    std::optional<http::RequestHead> asked;
    std::optional<http::RequestHead> page_asked;
    bool cookie_unkeyed = false;
    std::list<Pending> pending; // in the order in which they were asked for
};

// What a fetch task does, without a connection.
void Simulation::Impl::take(FetchOrder order) {
    cache.sending(*order.fetch);
    const bool is_page = order.client_request.target != target;
    std::optional<http::RequestHead>& noted = is_page ? page_asked : asked;
    noted = order.request.head;
    if (!is_page) {
        cookie_unkeyed = order.request.cookie_unkeyed;
    }
    const auto named = is_page ? pages->find(order.client_request.target) : pages->end();
    const SimulatedOrigin& origin = named == pages->end() ? *its_origin : named->second;
    const http::Duration patience = order.behavior->origin_ref->timeouts.first_byte;
    const bool too_late = patience > http::Duration::zero() && origin.delay > patience;
    const http::WallTime now = clock.wall_now();
    Pending asking{std::move(order), origin, now, now + (too_late ? patience : origin.delay), too_late};
    if (asking.due > now) {
        pending.push_back(std::move(asking));
    } else {
        answer(asking);
    }
}

void Simulation::Impl::answer(Pending& asking) {
    FetchOrder& order = asking.order;
    const SimulatedOrigin& origin = asking.origin;
    if (asking.too_late || origin.error) {
        const ErrorKind error = asking.too_late ? ErrorKind::ResponseTimeout : *origin.error;
        cache.fail(*order.fetch, Error(error, "simulated"));
        return;
    }
    http::ResponseHead head = origin.head;
    if (!head.fields.contains("Date")) {
        head.fields.add("Date", http::format_http_date(clock.wall_now()));
    }
    if (!answer_once(asking, head)) {
        ask_anew(order.request, order.as_part);
        order.fetch->validating = {};
        (order.client_request.target != target ? page_asked : asked) = order.request.head;
        if (!answer_once(asking, std::move(head))) {
            cache.fail(*order.fetch, Error(ErrorKind::ProtocolError, "the answer fits no request"));
        }
    }
}

// False: it has to be asked again, without a condition.
bool Simulation::Impl::answer_once(Pending& asking, http::ResponseHead head) {
    FetchOrder& order = asking.order;
    const SimulatedOrigin& origin = asking.origin;
    cache::FetchRequest sent = order.sent();
    apply_etag_rule(order.etag_rule(), origin.content, sent);
    if (order.unsafe) {
        take_unsafe_answer(cache, *order.config, *order.unsafe, *order.fetch, head, sent);
    }
    const bool has_content = !http::status_has_no_content(head.status) && order.request.method != http::Method::Head;
    http::Framing framing;
    if (has_content) {
        framing = {http::Framing::Kind::Length, origin.content.size()};
    }
    if (!http::status_has_no_content(head.status)) {
        head.fields.set("Content-Length", std::to_string(origin.content.size()));
    }
    cache::Intake intake;
    const auto begun = cache.begin(*order.fetch, sent, head, framing, asking.sent, clock.wall_now(), intake);
    if (begun == cache::HttpCache::BeginResult::RetryUnconditional) {
        return false;
    }
    if (begun == cache::HttpCache::BeginResult::Unasked) {
        cache.fail(*order.fetch,
                   Error(ErrorKind::ProtocolError, "the origin answered 304 to a request without a condition"));
        return true;
    }
    if (intake.body && !fill(intake, origin.content)) {
        cache.abort(*order.fetch, intake, Error(ErrorKind::ResponseIncomplete, "the content does not fit"));
        return true;
    }
    static_cast<void>(cache.finish(*order.fetch, intake));
    return true;
}

// To the next moment at which something may happen. False: nothing is waited for.
bool Simulation::Impl::move_on() {
    if (pending.empty()) {
        return false;
    }
    const auto next = std::min_element(pending.begin(), pending.end(),
                                       [](const Pending& a, const Pending& b) { return a.due < b.due; });
    clock.move(std::min<http::Duration>(DeadlineWheel::kTick, next->due - clock.wall_now()));
    core.wheel().advance();
    core.poll(); // whoever waited for too long is gone before the answer comes
    if (clock.wall_now() >= next->due) {
        Pending due = std::move(*next);
        pending.erase(next);
        answer(due);
    }
    return true;
}

namespace {

awaitable<void> finish(Exchange& exchange, std::shared_ptr<RequestBody> body, bool& done) {
    co_await exchange.finish(std::move(body), nullptr);
    done = true;
}

} // namespace

Simulation::Simulation(std::shared_ptr<const config::Config> config)
    : impl_(std::make_unique<Impl>(std::move(config))) {}
Simulation::~Simulation() = default;

http::WallTime Simulation::now() const noexcept { return impl_->clock.wall_now(); }

void Simulation::advance(http::Duration by) {
    impl_->clock.move(by);
    impl_->core.poll(); // a turn reads the clock
}

http::Result<SimulatedOutcome> Simulation::ask(SimulatedRequest request, const SimulatedOrigin& origin,
                                               const Pages& pages) {
    const bool is_large = std::any_of(pages.begin(), pages.end(),
                                      [](const auto& page) { return page.second.content.size() > kMaxContentBytes; });
    if (is_large || origin.content.size() > kMaxContentBytes) {
        return Error(ErrorKind::BadRequest, "the content of an origin's answer may have at most 256KiB here");
    }
    // What a session refuses before there is an exchange.
    if (!http::is_token(request.head.method) || request.head.method_kind() == http::Method::Connect) {
        return Error(ErrorKind::UnsupportedMethod, "the method is none that is served");
    }
    if (auto framing = http::request_framing(request.head); !framing) {
        return framing.take_error();
    }
    Impl& impl = *impl_;
    impl.its_origin = &origin;
    impl.pages = &pages;
    impl.target = request.head.target;
    impl.asked.reset();
    impl.page_asked.reset();
    RequestState state;
    state.head = std::move(request.head);
    std::shared_ptr<RequestBody> body;
    if (!request.content.empty()) {
        state.framing = {http::Framing::Kind::Length, request.content.size()};
        body = std::make_shared<RequestBody>(std::make_shared<const std::string>(std::move(request.content)));
    }
    RecordingSink sink(impl.clock);
    ClientFacts client;
    client.address = kSimulatedClient;
    client.default_authority = "test.invalid";
    client.scheme = request.over_https ? "https" : "http";
    client.trusted = impl.trusted->contains(asio::ip::make_address(std::string(client.address)));
    Exchange exchange(impl.worker, state, sink, client);
    SimulatedOutcome outcome;
    outcome.at_once = exchange.begin();
    if (!outcome.at_once) {
        exchange.launch(body, nullptr);
        bool done = false;
        spawn_logged(impl.core.coroutines(), "simulated request", finish(exchange, body, done));
        while (!done && (impl.core.poll() > 0 || impl.move_on())) {}
        if (!done) {
            return Error(ErrorKind::Internal, "the request waits for something that never comes");
        }
    }
    while (impl.core.poll() > 0 || impl.move_on()) {} // what goes on behind the client's back
    outcome.record = state.record;
    outcome.routed = state.behavior != nullptr;
    outcome.behavior = state.record.behavior;
    outcome.key = state.decision.lookup ? cache::policy::readable_key(state.key) : std::string();
    outcome.asked = impl.asked;
    outcome.page_asked = impl.page_asked;
    outcome.page = state.page ? state.page->request.head.target : std::string();
    outcome.cookie_unkeyed = impl.cookie_unkeyed;
    auto response = sink.parsed_head();
    if (!response) {
        return response.take_error();
    }
    outcome.response = std::move(*response);
    outcome.content = std::move(sink.content());
    return outcome;
}

} // namespace gatehouse::proxy
