// The running program: cores with their threads, the shared cache, listeners and the admin listener; start and
// graceful stop. Tests run it in process, with time driven by hand.
#pragma once

#include "cache/http_cache.h"
#include "cache/store/store.h"
#include "config/config.h"
#include "config/loader.h"
#include "http/result.h"
#include "proxy/admin.h"
#include "proxy/clock.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gatehouse::proxy {

class Server {
public:
    struct Options {
        std::shared_ptr<const config::Config> config;
        const Clock* clock = nullptr; // must outlive the server
        bool manual_time = false;     // deadlines move only with advance()
        // Reads the configuration anew, for reload(); on the control core. Empty: there is nothing to reload.
        std::function<config::LoadResult()> load;
    };
    explicit Server(const Options& options);
    ~Server(); // stops hard if it still runs
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Binds everything, then starts the threads. On an error nothing runs; its detail is for the operator.
    http::Status start();
    // Stops accepting, lets what runs finish for at most timeouts.shutdown, ends the threads. True: all had finished.
    bool stop();

    std::uint16_t port(std::size_t listener = 0) const;
    std::uint16_t admin_port() const;
    // With manual_time: fires what is due by the clock, on every core, and returns when done.
    void advance();

    std::string metrics_text() const;
    cache::HttpCache& cache() noexcept;
    cache::store::StoreStats store_stats() const;
    // Loads the configuration and puts it in place of the one in use: new requests follow it, what is stored stays, and
    // no connection is dropped. One with a problem changes nothing. From a thread of its own, while the server runs.
    ReloadOutcome reload();
    // For log rotation.
    void reopen_logs();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace gatehouse::proxy
