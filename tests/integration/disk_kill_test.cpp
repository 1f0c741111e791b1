// The program is killed again and again while it stores, replaces and purges. What it serves from its disk afterwards
// is whole, not older than what it had answered or settled before, and nearly all that was there.
#include "proxy/clock.h"
#include "tests/support/changing_site.h"
#include "tests/support/child_process.h"
#include "tests/support/gatehouse_process.h"
#include "tests/support/gates.h"
#include "tests/support/property_seed.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/raw_client.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse::testing;

namespace {

constexpr int kClients = 6;
constexpr int kSteps = 100;           // of each client, before what is stored is let settle and again after it
constexpr unsigned kMostLooks = 1000; // at the log of a process that starts
constexpr int kRoundsOfADisk = 10;    // then an empty one is begun
constexpr double kLeastKept = 0.99;   // of what was settled, where the disk has room for all of it
constexpr const char* kHit = "Hit from gatehouse";

struct Sizes {
    const char* disk;
    const char* memory; // of which an eighth may wait to be written
};
constexpr Sizes kPlenty{"size: 256MiB, segment_size: 4MiB", "size: 64MiB"};
constexpr Sizes kLittle{"size: 8MiB, segment_size: 1MiB", "size: 4MiB"}; // written over again and again

struct Counts {
    unsigned settled = 0; // responses that had to be there after a kill
    unsigned kept = 0;    // of them those that were
    unsigned refused = 0; // that found no room in the queue of the disk, and so were not there
    unsigned hits = 0;
    unsigned purges = 0;
    unsigned refreshes = 0;
    unsigned cut = 0; // answers from slices that ended early, because slices of another version were left
    unsigned starts_killed = 0;
    double from_disk = 0;
    double reused = 0;

    void add(const Counts& other) {
        settled += other.settled;
        kept += other.kept;
        hits += other.hits;
        purges += other.purges;
        refreshes += other.refreshes;
        cut += other.cut;
    }
};

template <typename Function>
auto with(SiteResource& resource, const Function& function) {
    const std::lock_guard lock(resource.mutex);
    return function();
}

// What all clients of one process share.
struct Load {
    Load(GatehouseProcess& the_process, ChangingSite& the_site, int at)
        : process(the_process), site(the_site), kill_at(at) {}

    GatehouseProcess& process;
    ChangingSite& site;
    const int kill_at; // so many answers; 0: never
    std::atomic<int> answers{0};
    std::atomic<bool> is_killed{false};
    std::mutex mutex;
    std::vector<std::string> faults;
    Counts counts;

    void count_answer() {
        if (++answers == kill_at) {
            is_killed = true; // before anybody can notice
            process.kill();
        }
    }
    void fault(const std::string& what) {
        const std::lock_guard lock(mutex);
        faults.push_back(what);
    }
};

class Client {
public:
    Client(Load& load, unsigned seed) : load_(load), site_(load.site), random_(seed) {}
    ~Client() {
        const std::lock_guard lock(load_.mutex);
        load_.counts.add(counts_);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // What fails because the process was killed is no fault.
    void run(const std::function<void(Client&)>& work) {
        try {
            work(*this);
        } catch (const HarnessError& error) {
            if (!load_.is_killed) {
                load_.fault(last_ + ": " + error.what());
            }
        }
    }
    void step() {
        SiteResource& resource = site_.at(random_() % site_.size());
        const std::size_t variant = random_() % resource.variants;
        const auto dice = random_() % 100;
        if (dice < 70) {
            get(resource, variant);
        } else if (dice < 85) {
            refresh(resource, variant, random_() % 2 == 0);
        } else if (dice < 91) {
            const bool by_url = random_() % 2 == 0;
            purge(resource, by_url ? R"({"url":"http://gate.test)" + resource.path + R"("})"
                                   : R"({"path":")" + resource.path + R"("})");
        } else if (dice < 92) {
            purge_group(random_() % ChangingSite::kGroups);
        } else {
            post(resource);
        }
    }
    void get(SiteResource& resource, std::size_t variant) {
        const std::shared_lock exchange(resource.exchange);
        const Response response = fetch(resource, variant, "");
        const bool is_hit = response.get("X-Cache") == kHit;
        counts_.hits += is_hit ? 1 : 0;
    }
    // Of the first look after a start: whether it is still there.
    void look(SiteResource& resource, std::size_t variant) {
        const bool was_settled = with(resource, [&] { return resource.copies[variant].is_settled; });
        const unsigned hits = counts_.hits;
        get(resource, variant);
        counts_.settled += was_settled ? 1 : 0;
        counts_.kept += was_settled && counts_.hits > hits ? 1 : 0;
    }

private:
    Response ask(const std::string& request) {
        if (!connection_) {
            connection_.emplace(load_.process.port());
        }
        last_ = request;
        connection_->send(request);
        Response response = connection_->read_what_comes();
        if (!response.complete) {
            connection_.reset();
            if (load_.is_killed || response.head.empty()) {
                throw HarnessError("the connection ended");
            }
        }
        load_.count_answer();
        return response;
    }
    // A GET; the caller holds the exchange.
    Response fetch(SiteResource& resource, std::size_t variant, const std::string& fields) {
        const std::string request = "GET " + resource.path + " HTTP/1.1\r\nHost: gate.test\r\nAccept-Language: l" +
                                    std::to_string(variant) + "\r\n" + fields + "\r\n";
        SiteResource::Copy& copy = resource.copies[variant];
        AnswerAge oldest;
        unsigned purges = 0;
        with(resource, [&] {
            oldest = copy.oldest();
            purges = resource.purges;
        });
        Response response = ask(request);
        if (!response.complete && resource.is_sliced) {
            ++counts_.cut;
            response = ask(request);
        }
        if (const std::string fault = site_.fault_of(resource, variant, oldest, response); !fault.empty()) {
            load_.fault(fault);
        }
        with(resource, [&] { copy.is_stored = copy.is_stored || purges == resource.purges; });
        return response;
    }
    // Has the origin asked, which has something else or confirms what is stored.
    void refresh(SiteResource& resource, std::size_t variant, bool is_changed) {
        const std::unique_lock exchange(resource.exchange);
        if (is_changed) {
            site_.change(resource);
        }
        with(resource, [&] { resource.copies[variant].is_settled = false; });
        const Response response = fetch(resource, variant, "Cache-Control: no-cache\r\n");
        with(resource, [&] { resource.copies[variant].replaced.raise(ChangingSite::age_of(response)); });
        ++counts_.refreshes;
    }

    AnswerAge begin_purge(SiteResource& resource) {
        with(resource, [&] { count_purge(resource); });
        return site_.change(resource);
    }
    void end_purge(SiteResource& resource, const AnswerAge& age) {
        with(resource, [&] {
            count_purge(resource);
            for (SiteResource::Copy& copy : resource.copies) {
                copy.purged.raise(age);
            }
        });
        ++counts_.purges;
    }
    static void count_purge(SiteResource& resource) {
        ++resource.purges;
        for (SiteResource::Copy& copy : resource.copies) {
            copy.is_stored = false;
            copy.is_settled = false;
        }
    }
    void send_purge(const std::string& json) {
        last_ = json;
        const Response response = load_.process.purge(json);
        if (response.status != 200) {
            load_.fault(json + ": status " + std::to_string(response.status));
        }
        load_.count_answer();
    }
    // What is put together from slices must not change while it is.
    std::unique_lock<std::shared_mutex> alone_if_sliced(SiteResource& resource) {
        return resource.is_sliced ? std::unique_lock(resource.exchange) : std::unique_lock<std::shared_mutex>();
    }
    void purge(SiteResource& resource, const std::string& json) {
        const auto exchange = alone_if_sliced(resource);
        const AnswerAge age = begin_purge(resource);
        send_purge(json);
        end_purge(resource, age);
    }
    void purge_group(std::size_t group) {
        std::vector<AnswerAge> ages;
        const std::size_t first = site_.first_of(group);
        for (std::size_t i = 0; i < ChangingSite::kGroupSize; ++i) {
            ages.push_back(begin_purge(site_.at(first + i)));
        }
        send_purge(R"({"path":"/g)" + std::to_string(group) + R"(/*"})");
        for (std::size_t i = 0; i < ChangingSite::kGroupSize; ++i) {
            end_purge(site_.at(first + i), ages[i]);
        }
    }
    void post(SiteResource& resource) {
        const auto exchange = alone_if_sliced(resource);
        with(resource, [&] { count_purge(resource); });
        const Response response =
            ask("POST " + resource.path + " HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 4\r\n\r\nmore");
        if (response.status != 200) {
            load_.fault(resource.path + ": POST got status " + std::to_string(response.status));
        }
        end_purge(resource, ChangingSite::age_of(response));
    }

    Load& load_;
    ChangingSite& site_;
    std::mt19937 random_;
    std::optional<RawClient> connection_;
    std::string last_; // what was sent last
    Counts counts_;
};

// One cache directory, and the processes that use it one after the other.
class Disk {
public:
    Disk(const Sizes& sizes, unsigned seed) : random_(seed) {
        yaml_.disk = "path: " + directory() + ", " + sizes.disk;
        yaml_.memory = sizes.memory;
        yaml_.policies = "sliced: {range: {slice: 64KiB}}";
        yaml_.behaviors = "[{path_pattern: '/sliced/*', origin: api, cache_policy: sliced}, "
                          "{path_pattern: '*', origin: api}]";
        origin_.otherwise([this](OriginExchange& x) { site_.answer(x); });
    }

    // From one start to the next. Whether it was killed under load: some end in order, some at once after the start.
    bool round() {
        if (random_() % 2 == 0) {
            kill_while_starting();
        }
        GatehouseProcess process(yaml_.text(origin_.port()));
        look_at_all(process);
        const auto kind = random_() % 8;
        if (kind > 0) {
            run_clients(process, 0, [](Client& client) { steps(client); });
        }
        if (kind == 1) { // all that was answered is there after an orderly end
            count_metrics(process.metrics());
            CHECK(process.stop() == 0);
            site_.settle();
        } else if (kind > 1) {
            settle(process);
            count_metrics(process.metrics());
            run_clients(process, 1 + static_cast<int>(random_() % kSteps), [](Client& client) { steps(client); });
        }
        process.kill(); // at once after the start, if it has not ended yet
        site_.forget_unsettled();
        run_program({GatehouseProcess::binary(), "cache", "verify", directory()});
        const std::string log = process.log();
        for (const char* trouble : {"[error]", "the file of purges cannot be read"}) {
            REQUIRE_MESSAGE(log.find(trouble) == std::string::npos, log);
        }
        return kind > 1;
    }
    const Counts& counts() const { return counts_; }

private:
    std::string directory() const { return scratch_.path("store"); }
    // Anywhere between its first instruction and the first accept: each look at the log takes some microseconds.
    void kill_while_starting() {
        const std::string yaml = scratch_.write("starting.yaml", yaml_.text(origin_.port()));
        ChildProcess process({GatehouseProcess::binary(), "run", yaml}, scratch_.path("starting.log"));
        const auto looks = random_() % kMostLooks;
        for (std::size_t i = 0; i < looks && process.log().find(" listening: ") == std::string::npos; ++i) {}
        counts_.starts_killed += process.log().find(" listening: ") == std::string::npos ? 1 : 0;
        process.kill();
    }
    static void steps(Client& client) {
        for (int i = 0; i < kSteps; ++i) {
            client.step();
        }
    }
    void run_clients(GatehouseProcess& process, int kill_at, const std::function<void(Client&)>& work) {
        Load load(process, site_, kill_at);
        std::vector<std::thread> threads;
        for (int i = 0; i < kClients; ++i) {
            threads.emplace_back([&load, &work, seed = static_cast<unsigned>(random_())] {
                Client client(load, seed);
                client.run(work);
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        REQUIRE_MESSAGE(load.faults.empty(), load.faults.size() << " faults; the first: " << load.faults[0] << "\n"
                                                                << process.log());
        counts_.add(load.counts);
    }
    void look_at_all(GatehouseProcess& process) {
        std::vector<std::size_t> order(site_.size());
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random_);
        std::atomic<std::size_t> next{0};
        run_clients(process, 0, [&](Client& client) {
            for (std::size_t i = next++; i < order.size(); i = next++) {
                SiteResource& resource = site_.at(order[i]);
                for (std::size_t variant = 0; variant < resource.variants; ++variant) {
                    client.look(resource, variant);
                }
            }
        });
    }
    // All that was answered is written. The queue is empty when its last change is being written; behind it two more
    // responses are stored, and when there is more done twice, the first of them and all before it are.
    void settle(const GatehouseProcess& process) {
        ProxyUnderTest::await([&] { return sum_of_metric(process.metrics(), "gatehouse_disk_queued_bytes") == 0; },
                              "the queue is empty");
        for (int i = 0; i < 2; ++i) {
            const double before = changes_done(process);
            RawClient client(process.port());
            client.get("/probe/" + std::to_string(++probes_));
            client.read();
            ProxyUnderTest::await([&] { return changes_done(process) > before; }, "what was stored is written");
        }
        site_.settle();
    }
    static double changes_done(const GatehouseProcess& process) {
        const std::string metrics = process.metrics();
        return sum_of_metric(metrics, "gatehouse_disk_admitted_bytes_total") +
               sum_of_metric(metrics, "gatehouse_disk_not_written_total");
    }
    void count_metrics(const std::string& metrics) {
        counts_.refused +=
            static_cast<unsigned>(sum_of_metric(metrics, "gatehouse_disk_not_written_total", "reason=\"queue\""));
        counts_.from_disk += sum_of_metric(metrics, "gatehouse_disk_reads_total");
        counts_.reused += sum_of_metric(metrics, "gatehouse_disk_segments_reused_total");
        CHECK(sum_of_metric(metrics, "gatehouse_disk_errors_total") == 0);
        CHECK(sum_of_metric(metrics, "gatehouse_escaped_exceptions_total") == 0);
    }

    std::mt19937 random_;
    Yaml yaml_;
    ScratchDirectory scratch_;
    ChangingSite site_;
    ScriptedOrigin origin_;
    unsigned probes_ = 0;
    Counts counts_;
};

void kill_again_and_again(int rounds) {
    const gatehouse::proxy::SystemClock clock;
    const auto start = clock.steady_now();
    std::mt19937 random(property_seed());
    for (int done = 0; done < rounds; done += kRoundsOfADisk) {
        const bool has_room = done / kRoundsOfADisk % 2 == 0;
        CAPTURE(done);
        CAPTURE(has_room);
        Disk disk(has_room ? kPlenty : kLittle, static_cast<unsigned>(random()));
        for (int i = 0; i < kRoundsOfADisk;) {
            CAPTURE(i);
            i += disk.round() ? 1 : 0;
        }
        const Counts& counts = disk.counts();
        MESSAGE("after " << done + kRoundsOfADisk << " kills, " << (has_room ? "with room" : "written over") << ": "
                         << counts.kept << " of " << counts.settled << " kept, " << counts.refused
                         << " not taken by the queue, " << counts.from_disk << " read from the disk, " << counts.hits
                         << " hits, " << counts.purges << " purged, " << counts.refreshes << " refreshed, "
                         << counts.cut << " cut, " << counts.starts_killed << " starts killed, " << counts.reused
                         << " segments reused, " << std::chrono::duration<double>(clock.steady_now() - start).count()
                         << " s");
        CHECK(counts.settled > 500);
        CHECK(counts.purges > 100);
        CHECK(counts.from_disk > 500);
        if (has_room) {
            CHECK(counts.reused == 0);
            CHECK(counts.kept + counts.refused >= kLeastKept * counts.settled);
            CHECK(counts.refused < 0.1 * counts.settled);
        } else {
            CHECK(counts.reused > 0);
            CHECK(counts.kept > 0);
        }
    }
}

} // namespace

TEST_CASE("30 kills under load: no wrong byte, nothing that was purged or replaced, and what was settled is a hit") {
    kill_again_and_again(30);
}

TEST_SUITE("disk soak") {
    TEST_CASE(
        "1,000 kills under load: no wrong byte, nothing that was purged or replaced, and what was settled is a hit") {
        kill_again_and_again(1000);
    }
}
