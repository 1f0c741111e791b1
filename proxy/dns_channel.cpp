// The one file that knows c-ares.
#include "proxy/dns_channel.h"

#include "proxy/diagnostic_log.h"
#include "proxy/spawn.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace gatehouse::proxy {

namespace {

// Each server is asked at least twice, because a datagram is lost now and then; more than this many attempts take
// longer than anybody waits.
constexpr int kTries = 2;
constexpr int kMostAttempts = 4;

bool initialise_library() {
    static std::once_flag once;
    static bool ready = false;
    std::call_once(once, [] { ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS; });
    return ready;
}

DnsAnswer::Outcome outcome_of(int status) noexcept {
    using enum DnsAnswer::Outcome;
    switch (status) {
    case ARES_SUCCESS: return Found;
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
    case ARES_EBADNAME: return NoSuchName;
    case ARES_ENODATA: return NoAddress;
    case ARES_EREFUSED:
    case ARES_ENOTIMP: return Refused;
    case ARES_ETIMEOUT: return TimedOut;
    case ARES_ECONNREFUSED: return NoServer;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return Cancelled;
    default: return ServerFailure;
    }
}

std::optional<asio::ip::address> address_of(const ares_addrinfo_node& node) {
    if (node.ai_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, node.ai_addr, sizeof v4);
        return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (node.ai_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, node.ai_addr, sizeof v6);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), v6.sin6_addr.s6_addr, bytes.size());
        return asio::ip::address_v6(bytes, v6.sin6_scope_id);
    }
    return std::nullopt;
}

DnsAnswer answer_of(int status, const ares_addrinfo* found) {
    DnsAnswer answer;
    answer.outcome = outcome_of(status);
    if (answer.outcome != DnsAnswer::Outcome::Found) {
        return answer;
    }
    std::optional<int> ttl;
    const auto shorten = [&ttl](int seconds) { ttl = std::min(ttl.value_or(seconds), std::max(seconds, 0)); };
    for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
        const auto address = address_of(*node);
        if (!address) {
            continue;
        }
        shorten(node->ai_ttl);
        if (std::find(answer.addresses.begin(), answer.addresses.end(), *address) == answer.addresses.end()) {
            answer.addresses.push_back(*address);
        }
    }
    for (const ares_addrinfo_cname* cname = found->cnames; cname != nullptr; cname = cname->next) {
        shorten(cname->ttl);
    }
    if (answer.addresses.empty()) {
        answer.outcome = DnsAnswer::Outcome::NoAddress;
    }
    answer.ttl = std::chrono::seconds(ttl.value_or(0));
    return answer;
}

// A socket of c-ares while Asio watches it. The descriptor stays c-ares's own.
struct Watch {
    explicit Watch(asio::io_context& io) : descriptor(io) {}
    asio::posix::stream_descriptor descriptor;
    bool reading = false; // a coroutine waits for it to become readable
    bool writing = false;
    bool wants_read = false;
    bool wants_write = false;
    bool watched = true;
};

} // namespace

struct DnsChannel::State : std::enable_shared_from_this<State> {
    State(Core& core, const config::Dns& dns)
        : home(core), options(dns), deadline(core.wheel(), &State::on_deadline, this) {}
    ~State() { destroy_channel(); }

    bool make_channel();
    bool open_channel(int flags);
    void destroy_channel() noexcept;
    int count_servers() const noexcept;
    void process(ares_socket_t read, ares_socket_t write) noexcept;
    void arm() noexcept;
    void watch(ares_socket_t socket, bool readable, bool writable);
    void unwatch(ares_socket_t socket) noexcept;
    static void on_socket(void* self, ares_socket_t socket, int readable, int writable) noexcept;
    static void on_deadline(void* self);
    static void on_answer(void* question, int status, int timeouts, ares_addrinfo* found) noexcept;
    static asio::awaitable<void> drive(std::shared_ptr<State> state, std::shared_ptr<Watch> watch, ares_socket_t socket,
                                       bool write);

    Core& home;
    config::Dns options;
    ares_channel channel = nullptr;
    std::unordered_map<ares_socket_t, std::shared_ptr<Watch>> watches;
    Deadline deadline;
    std::size_t open_questions = 0;
    unsigned inside = 0; // calls into c-ares under way: it must not be destroyed within one of its callbacks
    int attempts = kTries;
    bool servers_in_doubt = false;
    bool stopped = false;
};

namespace {

// Travels through c-ares as a void pointer.
template <class State>
struct Question {
    std::shared_ptr<State> state;
    DnsChannel::Done done;
};

} // namespace

bool DnsChannel::State::make_channel() {
    if (servers_in_doubt && open_questions == 0 && inside == 0) {
        destroy_channel();
    }
    if (channel != nullptr) {
        return true;
    }
    if (!initialise_library() || !open_channel(0)) {
        return false;
    }
    const int servers = count_servers();
    if (servers == 1) {
        // With several, c-ares goes on to the next one after SERVFAIL and REFUSED and says in the end only that none
        // was of use. With one there is nobody to go on to, so the answer itself is worth more.
        ares_destroy(std::exchange(channel, nullptr));
        if (!open_channel(ARES_FLAG_NOCHECKRESP)) {
            return false;
        }
    }
    servers_in_doubt = false;
    attempts = std::clamp(servers, kTries, kMostAttempts);
    return true;
}

bool DnsChannel::State::open_channel(int flags) {
    std::array<char, 3> lookups{'f', 'b', '\0'}; // /etc/hosts, then DNS
    ares_options settings{};
    settings.flags = flags;
    settings.timeout = static_cast<int>(std::max<http::Duration::rep>(options.timeout.count(), 1));
    settings.tries = kTries;
    settings.lookups = lookups.data();
    settings.sock_state_cb = &State::on_socket;
    settings.sock_state_cb_data = this;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&channel, &settings, mask);
    if (status != ARES_SUCCESS) {
        channel = nullptr;
        spdlog::error("DNS cannot be set up detail={}", log_value(ares_strerror(status)));
        return false;
    }
    if (!options.servers.empty()) {
        status = ares_set_servers_ports_csv(channel, dns_server_list(options.servers).c_str());
        if (status != ARES_SUCCESS) {
            spdlog::error("dns.servers cannot be used, the system's servers are asked detail={}",
                          log_value(ares_strerror(status)));
        }
    }
    return true;
}

void DnsChannel::State::destroy_channel() noexcept {
    deadline.disarm();
    if (channel != nullptr) {
        ares_destroy(std::exchange(channel, nullptr)); // answers what is open, gives up its sockets
    }
}

int DnsChannel::State::count_servers() const noexcept {
    int servers = 0;
    ares_addr_port_node* list = nullptr;
    if (ares_get_servers_ports(channel, &list) == ARES_SUCCESS) {
        for (const ares_addr_port_node* node = list; node != nullptr; node = node->next) {
            ++servers;
        }
        ares_free_data(list);
    }
    return servers;
}

void DnsChannel::State::process(ares_socket_t read, ares_socket_t write) noexcept {
    if (channel == nullptr) {
        return;
    }
    ++inside;
    ares_process_fd(channel, read, write);
    --inside;
    arm();
}

// c-ares measures its own timeouts; the wheel only asks it to look. A little late does no harm.
void DnsChannel::State::arm() noexcept {
    timeval room{};
    const timeval* next = channel == nullptr || open_questions == 0 ? nullptr : ares_timeout(channel, nullptr, &room);
    if (next == nullptr) {
        deadline.disarm();
        return;
    }
    const auto wait = std::chrono::seconds(next->tv_sec) + std::chrono::microseconds(next->tv_usec);
    deadline.arm(std::max(std::chrono::ceil<http::Duration>(wait), http::Duration(1)));
}

void DnsChannel::State::on_deadline(void* self) {
    static_cast<State*>(self)->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void DnsChannel::State::on_socket(void* self, ares_socket_t socket, int readable, int writable) noexcept {
    auto& state = *static_cast<State*>(self);
    if (readable == 0 && writable == 0) {
        state.unwatch(socket);
    } else {
        state.watch(socket, readable != 0, writable != 0);
    }
}

void DnsChannel::State::watch(ares_socket_t socket, bool readable, bool writable) {
    std::shared_ptr<Watch>& slot = watches[socket];
    if (!slot) {
        slot = std::make_shared<Watch>(home.io());
        error_code error;
        slot->descriptor.assign(socket, error);
        if (error) {
            spdlog::error("a DNS socket cannot be watched detail={}", log_value(error.message()));
            watches.erase(socket); // the question times out
            return;
        }
    }
    const std::shared_ptr<Watch> watch = slot;
    watch->wants_read = readable;
    watch->wants_write = writable;
    const auto executor = home.io().get_executor();
    if (readable && !std::exchange(watch->reading, true)) {
        spawn_logged(executor, "dns socket", drive(shared_from_this(), watch, socket, false));
    }
    if (writable && !std::exchange(watch->writing, true)) {
        spawn_logged(executor, "dns socket", drive(shared_from_this(), watch, socket, true));
    }
}

void DnsChannel::State::unwatch(ares_socket_t socket) noexcept {
    const auto found = watches.find(socket);
    if (found != watches.end()) {
        found->second->watched = false;
        found->second->descriptor.release(); // c-ares closes it
        watches.erase(found);
    }
}

asio::awaitable<void> DnsChannel::State::drive(std::shared_ptr<State> state, std::shared_ptr<Watch> watch,
                                               ares_socket_t socket, bool write) {
    using Descriptor = asio::posix::stream_descriptor;
    const auto event = write ? Descriptor::wait_write : Descriptor::wait_read;
    while (watch->watched && (write ? watch->wants_write : watch->wants_read)) {
        const auto [error] = co_await watch->descriptor.async_wait(event, kAwait);
        if (error || !watch->watched) {
            break;
        }
        state->process(write ? ARES_SOCKET_BAD : socket, write ? socket : ARES_SOCKET_BAD);
    }
    (write ? watch->writing : watch->reading) = false;
}

void DnsChannel::State::on_answer(void* question, int status, int timeouts, ares_addrinfo* found) noexcept {
    static_cast<void>(timeouts);
    const std::unique_ptr<Question<State>> asked(static_cast<Question<State>*>(question));
    --asked->state->open_questions;
    DnsAnswer answer = answer_of(status, found);
    ares_freeaddrinfo(found);
    asked->done(std::move(answer));
}

DnsChannel::DnsChannel(Core& home, const config::Dns& options) : state_(std::make_shared<State>(home, options)) {}

DnsChannel::~DnsChannel() { stop(); }

void DnsChannel::ask(const std::string& host, Done done) {
    State& state = *state_;
    if (state.stopped || !state.make_channel()) {
        DnsAnswer none;
        none.outcome = state.stopped ? DnsAnswer::Outcome::Cancelled : DnsAnswer::Outcome::NoServer;
        done(std::move(none));
        return;
    }
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT; // the connector has an order of its own
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    auto question = std::make_unique<Question<State>>();
    question->state = state_;
    question->done = std::move(done);
    ++state.open_questions;
    ++state.inside;
    ares_getaddrinfo(state.channel, host.c_str(), nullptr, &hints, &State::on_answer, question.release());
    --state.inside;
    state.arm();
}

http::Duration DnsChannel::longest() const noexcept { return state_->options.timeout * state_->attempts; }

void DnsChannel::doubt_servers() noexcept { state_->servers_in_doubt = state_->options.servers.empty(); }

void DnsChannel::stop() {
    state_->stopped = true;
    state_->destroy_channel();
}

std::string dns_server_list(const std::vector<std::string>& servers) {
    std::string list;
    for (const std::string& server : servers) {
        if (!list.empty()) {
            list += ',';
        }
        const auto colons = std::count(server.begin(), server.end(), ':');
        if (server.starts_with('[')) {
            list += server.ends_with(']') ? server + ":53" : server;
        } else if (colons > 1) {
            list += "[" + server + "]:53";
        } else {
            list += colons == 1 ? server : server + ":53";
        }
    }
    return list;
}

} // namespace gatehouse::proxy
