// Measures what requests cost several servers: the same load against each in turn, several rounds interleaved, with the
// kernel's account of every thread of each server's processes.
//
//   hit_load [OPTION...] ROUNDS REQUESTS CONNECTIONS PATH NAME:PORT:PID[,PID...] ...
//
//   --no-warm            no requests before the first round
//   --sleep              waits for answers without the processor, for others that share it, such as the origin
//   --json               a line of JSON for each round and server, in place of a table
//   --field "NAME: ..."  of each request; may be repeated
//   --status NUMBER      that answers have to have, in place of 200
//   --pipeline DEPTH     so many requests are sent together
//   --new-connections    one for each request
//   --waves              all connections ask for the same; when all have it, for the next
//   --rate NUMBER        requests that begin in a second, however long those before take; otherwise one begins when
//                        another ends
//   --slow COUNT:BYTES_PER_SECOND:PATH   so many clients that read so slowly, beside the others
//   --idle               a request on each connection; then prints `ready` and holds them until its input ends
//
// PATH may have a pattern that a number takes the place of (bench/load/requests.h); numbers go on over all rounds of a
// server. Without --json it prints one line a server: median CPU microseconds a request, requests and megabytes a
// second, and the ratio to the first server.
#include "bench/load/percentile.h"
#include "bench/load/processor_time.h"
#include "bench/load/round.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace gatehouse::bench;

namespace {

struct Arguments {
    bool warm = true;
    bool json = false;
    bool idle = false;
    int rounds = 0;
    Plan plan;
    std::vector<std::string> fields;
    std::vector<std::string> words; // what is no option
};

struct Server {
    std::string name;
    int port = 0;
    std::vector<std::string> pids;
    Requests requests;
    std::vector<double> cpu_us;
    std::vector<double> per_second;
    std::vector<double> megabytes_per_second;
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "hit_load: %s\n", what.c_str());
    std::exit(2);
}

SlowClients::Plan parse_slow(const std::string& text) {
    SlowClients::Plan plan;
    std::istringstream in(text);
    in >> plan.count;
    in.ignore(1) >> plan.bytes_per_second;
    in.ignore(1);
    std::getline(in, plan.path);
    if (plan.bytes_per_second == 0 || plan.path.empty()) {
        fail("--slow takes COUNT:BYTES_PER_SECOND:PATH, not " + text);
    }
    return plan;
}

void take_flag(Arguments& arguments, std::string_view word) {
    if (word == "--no-warm") {
        arguments.warm = false;
    } else if (word == "--sleep") {
        arguments.plan.sleeps = true;
    } else if (word == "--json") {
        arguments.json = true;
    } else if (word == "--new-connections") {
        arguments.plan.new_connections = true;
    } else if (word == "--waves") {
        arguments.plan.waves = true;
    } else if (word == "--idle") {
        arguments.idle = true;
    } else {
        fail("no option " + std::string(word));
    }
}

// False: the option has no value.
bool take_option(Arguments& arguments, std::string_view word, const std::string& value) {
    if (word == "--field") {
        arguments.fields.push_back(value);
    } else if (word == "--status") {
        arguments.plan.status = std::atoi(value.c_str());
    } else if (word == "--pipeline") {
        arguments.plan.pipeline = static_cast<std::size_t>(std::atol(value.c_str()));
    } else if (word == "--rate") {
        arguments.plan.rate = std::atof(value.c_str());
    } else if (word == "--slow") {
        arguments.plan.slow = parse_slow(value);
    } else {
        return false;
    }
    return true;
}

Arguments parse(int count, char** values) {
    Arguments arguments;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = values[i];
        if (!word.starts_with("--")) {
            arguments.words.emplace_back(word);
        } else if (i + 1 < count && take_option(arguments, word, values[i + 1])) {
            ++i;
        } else {
            take_flag(arguments, word);
        }
    }
    if (arguments.words.size() < 5) {
        fail("usage: hit_load [OPTION...] ROUNDS REQUESTS CONNECTIONS PATH NAME:PORT:PID[,PID...] ...");
    }
    arguments.rounds = std::atoi(arguments.words[0].c_str());
    arguments.plan.requests = static_cast<std::size_t>(std::atol(arguments.words[1].c_str()));
    arguments.plan.connections = static_cast<std::size_t>(std::atol(arguments.words[2].c_str()));
    if (arguments.plan.waves) {
        arguments.plan.requests -= arguments.plan.requests % arguments.plan.connections;
    }
    if (arguments.rounds < 1 || arguments.plan.requests == 0 || arguments.plan.pipeline == 0) {
        fail("rounds, requests, connections and pipeline are numbers above 0");
    }
    return arguments;
}

Server parse_server(const std::string& text, const Requests& requests) {
    Server server{{}, 0, {}, requests, {}, {}, {}};
    std::istringstream in(text);
    std::string port;
    std::string pids;
    std::getline(in, server.name, ':');
    std::getline(in, port, ':');
    std::getline(in, pids);
    server.port = std::atoi(port.c_str());
    std::istringstream list(pids);
    for (std::string pid; std::getline(list, pid, ',');) {
        server.pids.push_back(pid);
    }
    return server;
}

ProcessorTime processor_time_of(const Server& server) {
    const auto time = processor_time(server.pids);
    if (!time) {
        fail("a process of " + server.name + " is gone");
    }
    return *time;
}

void print_json(const Server& server, const Plan& plan, Result& result, const ProcessorTime& used, double waited) {
    std::printf(
        "{\"server\": \"%s\", \"requests\": %zu, \"seconds\": %.6f, \"waited\": %.6f, \"bytes\": %llu, \"cpu_us\": {",
        server.name.c_str(), plan.requests, result.seconds, waited, static_cast<unsigned long long>(result.bytes));
    const char* separator = "";
    for (const auto& [name, nanoseconds] : used) {
        std::printf("%s\"%s\": %.4f", separator, name.c_str(),
                    nanoseconds / 1000.0 / static_cast<double>(plan.requests));
        separator = ", ";
    }
    std::printf("}, \"latency_us\": {");
    for (const auto& [name, percent] : {std::pair("p50", 50.0), {"p99", 99.0}, {"p99.9", 99.9}, {"max", 100.0}}) {
        std::printf("%s\"%s\": %.1f", percent > 50.0 ? ", " : "", name,
                    static_cast<double>(percentile(result.nanoseconds, percent)) / 1000.0);
    }
    std::printf("}}\n");
}

void run_round(Server& server, const Arguments& arguments, int number) {
    Plan plan = arguments.plan;
    plan.seed = static_cast<std::uint64_t>(number) + 1;
    Round round(plan, server.requests, server.port, server.name);
    const ProcessorTime before = processor_time_of(server);
    const double waited_before = seconds_waited();
    Result result = round.run();
    const double waited = seconds_waited() - waited_before;
    ProcessorTime used = processor_time_of(server);
    for (auto& [name, nanoseconds] : used) {
        const auto found = before.find(name);
        nanoseconds -= found == before.end() ? 0 : found->second;
    }
    const auto requests = static_cast<double>(plan.requests);
    server.cpu_us.push_back(sum(used) / 1000.0 / requests);
    server.per_second.push_back(requests / result.seconds);
    server.megabytes_per_second.push_back(static_cast<double>(result.bytes) / 1e6 / result.seconds);
    if (arguments.json) {
        print_json(server, plan, result, used, waited);
    }
}

void warm(Server& server, const Arguments& arguments) {
    Plan plan;
    plan.connections = arguments.plan.connections;
    plan.requests = arguments.plan.requests / 10 + plan.connections;
    plan.sleeps = arguments.plan.sleeps;
    plan.status = arguments.plan.status;
    Round(plan, server.requests, server.port, server.name).run();
}

void print_table(const std::vector<Server>& servers) {
    const double floor = median(servers.front().cpu_us);
    std::printf("| server | CPU per request, us | ratio to the first | requests/s | MB/s |\n"
                "| --- | --- | --- | --- | --- |\n");
    for (const Server& server : servers) {
        std::printf("| %s | %.2f | %.2f | %.0f | %.0f |\n", server.name.c_str(), median(server.cpu_us),
                    median(server.cpu_us) / floor, median(server.per_second), median(server.megabytes_per_second));
    }
}

void hold_idle(Server& server, const Arguments& arguments) {
    Plan plan = arguments.plan;
    plan.requests = plan.connections;
    Round round(plan, server.requests, server.port, server.name);
    round.run();
    std::puts("ready");
    std::fflush(stdout);
    while (std::getchar() != EOF) {}
}

} // namespace

int main(int argc, char** argv) {
    const Arguments arguments = parse(argc, argv);
    std::vector<Server> servers;
    for (std::size_t i = 4; i < arguments.words.size(); ++i) {
        servers.push_back(parse_server(arguments.words[i], Requests(arguments.words[3], arguments.fields)));
    }
    if (arguments.idle) {
        hold_idle(servers.front(), arguments);
        return 0;
    }
    for (Server& server : servers) {
        if (arguments.warm) {
            warm(server, arguments);
        }
    }
    for (int number = 0; number < arguments.rounds; ++number) {
        for (Server& server : servers) {
            run_round(server, arguments, number);
        }
    }
    if (!arguments.json) {
        print_table(servers);
    }
    return 0;
}
