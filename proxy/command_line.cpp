// The commands, declared with CLI11, and those that end by themselves.
#include "proxy/command_line.h"

#include "config/loader.h"
#include "config/schema.h"
#include "config/units.h"
#include "http/ascii.h"
#include "http/target.h"
#include "proxy/admin_client.h"
#include "proxy/admin_requests.h"
#include "proxy/diagnostic_log.h"
#include "proxy/explain_live.h"
#include "proxy/json_text.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <CLI/CLI.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

namespace gatehouse::proxy {

namespace {

using Command = CommandLine::Command;

constexpr const char* kCommands = "run, check, test, explain, schema, version, purge, cache, help";
constexpr const char* kVersionText = "gatehouse " GATEHOUSE_VERSION;

CommandLine usage_error(const std::string& what) {
    CommandLine result;
    result.text = "gatehouse: " + what + "\nTry `gatehouse help`.\n";
    return result;
}

CommandLine help_text(std::string text) {
    CommandLine result;
    result.command = Command::Help;
    result.text = std::move(text);
    return result;
}

// A URL or a path, as the content for POST /purge.
std::string to_purge_json(const std::string& target) {
    std::string json = target.starts_with('/') ? R"({"path":)" : R"({"url":)";
    append_json_string(json, target);
    json += '}';
    return json;
}

// What is to be purged: a URL or a path, or a group, of one host or of every one.
struct PurgeTarget {
    std::string target;
    std::string group;
    std::string host;
};

std::string group_json(const PurgeTarget& wanted) {
    std::string json = R"({"group":)";
    append_json_string(json, wanted.group);
    if (!wanted.host.empty()) {
        json += R"(,"host":)";
        append_json_string(json, wanted.host);
    }
    json += '}';
    return json;
}

// The URL of an admin listener as it is used, or what is wrong with it.
http::Result<std::string> admin_url_of(std::string text) {
    if (text.find("://") == std::string::npos) {
        text.insert(0, "http://");
    }
    const http::Result<http::Url> url = http::parse_url(text);
    if (!url) {
        return http::Error(http::ErrorKind::BadRequest, "--admin: " + url.error().detail);
    }
    if (url->scheme != "http" || !url->path.empty() || url->has_query) {
        return http::Error(http::ErrorKind::BadRequest,
                           "--admin must be http://HOST:PORT, the admin.address of the running gatehouse");
    }
    return text;
}

CommandLine purge_command(const std::string& admin_url, const PurgeTarget& wanted) {
    const std::string& target = wanted.target;
    if (target.empty() == wanted.group.empty()) {
        return usage_error("purge takes TARGET, a URL or a path, or --group NAME");
    }
    if (!wanted.host.empty() && wanted.group.empty()) {
        return usage_error("--host goes with --group; TARGET may be a URL with its host");
    }
    http::Result<std::string> admin = admin_url_of(admin_url);
    if (!admin) {
        return usage_error(admin.error().detail);
    }
    CommandLine result;
    result.purge_json = wanted.group.empty() ? to_purge_json(target) : group_json(wanted);
    // The listener judges it once more; here a mistake is found without one.
    if (const auto request = parse_purge_request(result.purge_json); !request) {
        return usage_error("cannot purge " + (target.empty() ? wanted.group : target) + ": " + request.error().detail);
    }
    result.command = Command::Purge;
    result.admin_url = std::move(*admin);
    return result;
}

// What of `explain` has to be parsed further.
struct ExplainOptions {
    std::vector<std::string> headers;
    std::vector<std::string> response_headers;
    std::string after;
    std::string admin;
    std::string first; // FILE, or with --admin URL
    std::string second;
};

// What only a file can be asked: it says what the origin would answer.
constexpr const char* kOnlyWithFile[] = {"--status",       "--response-header", "--response-body",
                                         "--origin-error", "--after"};

void add_explain_options(CLI::App& command, CommandLine& result, ExplainOptions& asked) {
    config::TestRequest& request = result.question.request;
    config::TestResponse& response = result.question.response;
    command.add_option("FILE", asked.first, "configuration in YAML; not with --admin");
    command.add_option("URL", asked.second, "what is asked for: a path, or a URL where the host matters");
    command.add_option("--admin", asked.admin,
                       "in place of FILE: the admin listener of a running gatehouse, which tells what it has stored");
    command.add_option("-X,--request", request.method, "method of the request")->capture_default_str();
    command.add_option("-H,--header", asked.headers, "field of the request, `Name: value`; may be given again");
    command.add_option("-d,--data", request.body, "content of the request");
    command.add_option("--status", response.status, "status that the origin answers")
        ->check(CLI::Range(200, 599))
        ->capture_default_str();
    command.add_option("--response-header", asked.response_headers, "field of the origin's answer; may be given again");
    command.add_option("--response-body", response.body, "content of the origin's answer");
    command.add_option("--origin-error", response.error, "what goes wrong instead, such as connection_refused");
    command.add_option("--after", asked.after, "ask again so much later, such as 90s");
    command.add_flag("--json", result.json, "print JSON");
}

bool add_header_lines(const std::vector<std::string>& texts, std::vector<config::HeaderLine>& out) {
    for (const std::string& text : texts) {
        const std::size_t colon = text.find(':');
        const std::string_view name = std::string_view(text).substr(0, colon);
        if (colon == std::string::npos || !http::is_token(name) || text.find_first_of("\r\n") != std::string::npos) {
            return false;
        }
        out.push_back({std::string(name), std::string(http::trim_ows(std::string_view(text).substr(colon + 1)))});
    }
    return true;
}

// With -d, curl asks with POST and says that a form is sent; the content type is part of a cached POST's key.
void ask_as_curl_does(bool has_method, config::TestRequest& request) {
    request.method = has_method ? request.method : "POST";
    const bool has_type = std::any_of(request.headers.begin(), request.headers.end(), [](const auto& line) {
        return http::iequals(line.name, "Content-Type");
    });
    if (!has_type) {
        request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    }
}

CommandLine explain_command(const CLI::App& command, CommandLine result, const ExplainOptions& asked) {
    const bool is_live = !asked.admin.empty();
    if (asked.first.empty() || asked.second.empty() != is_live) {
        return usage_error("explain takes FILE and URL, or --admin ADMIN and URL");
    }
    result.file = is_live ? std::string() : asked.first;
    result.question.request.url = is_live ? asked.first : asked.second;
    for (const char* option : kOnlyWithFile) {
        if (is_live && command.count(option) > 0) {
            return usage_error(std::string(option) +
                               " goes with FILE: a running gatehouse tells of what its origin has answered");
        }
    }
    if (!add_header_lines(asked.headers, result.question.request.headers) ||
        !add_header_lines(asked.response_headers, result.question.response.headers)) {
        return usage_error("a field must be written `Name: value`");
    }
    if (command.count("--data") > 0) {
        ask_as_curl_does(command.count("-X") > 0, result.question.request);
    }
    if (!http::is_token(result.question.request.method)) {
        return usage_error("-X takes a method such as GET");
    }
    if (is_live) {
        http::Result<std::string> admin = admin_url_of(asked.admin);
        if (!admin) {
            return usage_error(admin.error().detail);
        }
        result.admin_url = std::move(*admin);
        if (const auto judged = parse_explain_request(explain_request_json(result.question.request)); !judged) {
            return usage_error("cannot explain " + result.question.request.url + ": " + judged.error().detail);
        }
    }
    if (!asked.after.empty()) {
        result.question.after = config::parse_duration(asked.after);
        if (!result.question.after) {
            return usage_error("--after takes a duration such as 90s or 1h30m, not " + asked.after);
        }
    }
    const std::string& error = result.question.response.error;
    if (!error.empty() && !simulated_origin(result.question.response).error) {
        return usage_error("--origin-error: no such error: " + error +
                           "; docs/METRICS.md has the kinds of origin errors");
    }
    result.command = Command::Explain;
    return result;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&name](const CLI::App* one) { return one->get_name() == name; });
    return found == commands.end() ? nullptr : *found;
}

// The text of the reply's member `name`; empty when it has none.
std::string reply_text(const boost::json::value& reply, std::string_view name) {
    const boost::json::object* object = reply.if_object();
    const boost::json::value* value = object != nullptr ? object->if_contains(name) : nullptr;
    const boost::json::string* text = value != nullptr ? value->if_string() : nullptr;
    return text != nullptr ? std::string(*text) : std::string();
}

std::string counted(std::size_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

// What the files checked so far add up to.
class Tally {
public:
    explicit Tally(bool deny_warnings) : deny_warnings_(deny_warnings) {}

    // Prints what is wrong with a file, and returns whether it is good.
    bool add(const config::LoadResult& loaded, std::ostream& err) {
        ++files_;
        if (!loaded.problems.empty() || !loaded.warnings.empty()) {
            ++files_with_some_;
        }
        // The last problem may be none, but the word that there are more.
        errors_ += loaded.problems.size() - (loaded.more_problems ? 1 : 0);
        more_ = more_ || loaded.more_problems;
        warnings_ += loaded.warnings.size();
        for (const auto* list : {&loaded.problems, &loaded.warnings}) {
            for (const config::Problem& problem : *list) {
                err << problem.to_string() << '\n';
            }
        }
        return loaded.config != nullptr && !(deny_warnings_ && !loaded.warnings.empty());
    }
    bool good() const noexcept { return errors_ == 0 && !(deny_warnings_ && warnings_ > 0); }
    // "no errors in 2 files", "3 errors and 1 warning in 1 of 2 files", "more than 100 errors in 1 file"
    std::string text() const {
        std::string out = errors_ == 0 ? "no errors" : (more_ ? "more than " : "") + counted(errors_, "error");
        if (warnings_ > 0) {
            out += " and " + counted(warnings_, "warning");
        }
        const bool is_part = files_with_some_ != 0 && files_with_some_ != files_;
        return out + " in " + (is_part ? std::to_string(files_with_some_) + " of " : "") + counted(files_, "file");
    }

private:
    bool deny_warnings_;
    std::size_t files_ = 0;
    std::size_t files_with_some_ = 0;
    std::size_t errors_ = 0;
    std::size_t warnings_ = 0;
    bool more_ = false;
};

// What the admin listener answers, or nothing where it refuses: `err` has been told why.
std::optional<std::string> ask_admin(const std::string& admin_url, const std::string& path, const std::string& json,
                                     std::ostream& err) {
    const http::Result<http::Url> admin = http::parse_url(admin_url);
    const http::Result<AdminReply> reply =
        admin ? post_to_admin(*admin, path, json) : http::Result<AdminReply>(admin.error());
    if (!reply) {
        err << "gatehouse: " << reply.error().detail << '\n';
        return std::nullopt;
    }
    boost::system::error_code error;
    const boost::json::value content = boost::json::parse(reply->body, error);
    if (reply->status != 200 || error) {
        const std::string message = error ? std::string() : reply_text(content, "message");
        err << "gatehouse: the admin listener answered " << reply->status
            << (message.empty() ? std::string() : ": " + message) << '\n';
        return std::nullopt;
    }
    return reply->body;
}

int run_purge(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    const auto reply = ask_admin(command_line.admin_url, "/purge", command_line.purge_json, err);
    out << reply.value_or(std::string());
    return reply ? kExitOk : kExitFailed;
}

int run_live_explain(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    const std::string json = explain_request_json(command_line.question.request);
    const auto reply = ask_admin(command_line.admin_url, "/explain", json, err);
    const auto explanation = reply ? parse_explanation(*reply) : std::nullopt;
    if (reply && !explanation) {
        err << "gatehouse: the answer is none of an admin listener\n";
    }
    if (!explanation) {
        return kExitFailed;
    }
    out << (command_line.json ? explanation_json(*explanation) : explanation_text(*explanation));
    return kExitOk;
}

} // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
    CLI::App app("A caching HTTP reverse proxy in front of Amazon API Gateway.", "gatehouse");
    app.require_subcommand(1);
    app.set_version_flag("--version", kVersionText);
    app.footer("The level of the diagnostic log on standard error is set with the environment variable GATEHOUSE_LOG:\n"
               "trace, debug, info (default), warning, error, off.");

    CommandLine result;
    CLI::App* run = app.add_subcommand("run", "Start the proxy that FILE describes");
    run->add_option("FILE", result.file, "configuration in YAML")->required();
    run->add_flag("--watch", result.watch, "reload when the file changes, as SIGHUP does");
    run->add_flag("--test", result.test_rules,
                  "use no configuration of which a test fails, at the start and at a reload");
    CLI::App* check = app.add_subcommand("check", "Say what is wrong with configuration files, or that they are good");
    check->add_option("FILE", result.files, "configuration in YAML")->required();
    check->add_flag("--deny-warnings", result.deny_warnings, "take what is legal and seldom meant for an error too");
    CLI::App* test = app.add_subcommand("test", "Run the tests of configuration files, without sockets");
    test->add_option("FILE", result.files, "configuration in YAML with `tests`")->required();
    CLI::Option* tap = test->add_flag_callback(
        "--tap", [&result] { result.report = TestReport::Tap; }, "report as TAP version 13");
    test->add_flag_callback(
            "--junit", [&result] { result.report = TestReport::JUnit; }, "report as JUnit's XML")
        ->excludes(tap);
    CLI::App* explain =
        app.add_subcommand("explain", "Say what becomes of a request, and which line of FILE decides it");
    ExplainOptions asked;
    add_explain_options(*explain, result, asked);
    CLI::App* schema = app.add_subcommand("schema", "Print the JSON Schema of the configuration, for editors");
    app.add_subcommand("version", "Print the version");
    CLI::App* purge = app.add_subcommand("purge", "Remove responses from the cache of a running gatehouse");
    std::string admin_url = kDefaultAdminUrl;
    PurgeTarget wanted;
    purge->add_option("--admin", admin_url, "URL of its admin listener")->capture_default_str();
    purge->add_option("--group", wanted.group, "what the origin put into this group by Cache-Groups (RFC 9875)");
    purge->add_option("--host", wanted.host, "with --group: of this host only");
    purge->add_option("TARGET", wanted.target, "a URL, or a path for every host; a * at the end purges all that begin so");
    CLI::App* cache = app.add_subcommand("cache", "Look into a cache directory, also while a proxy uses it");
    add_cache_commands(*cache, result.cache);
    CLI::App* help = app.add_subcommand("help", "Print this text, or what a command takes");
    std::string topic;
    help->add_option("COMMAND", topic, "run, check, test, explain, schema, version, purge or cache");

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return help_text(app.help());
    } catch (const CLI::CallForVersion&) {
        result.command = Command::Version;
        return result;
    } catch (const CLI::ParseError& error) {
        const std::string first = argc > 1 ? argv[1] : "";
        if (!first.empty() && !first.starts_with('-') && find_command(app, first) == nullptr) {
            return usage_error("no such command: " + first + "; there are " + kCommands);
        }
        if (first == "cache" && (argc < 3 || find_command(*cache, argv[2]) == nullptr)) {
            return usage_error(std::string("cache takes a command; there are ") + kCacheCommands);
        }
        return usage_error(first.empty() ? std::string("a command is missing; there are ") + kCommands : error.what());
    }
    if (run->parsed()) {
        result.command = Command::Run;
    } else if (check->parsed()) {
        result.command = Command::Check;
    } else if (test->parsed()) {
        result.command = Command::Test;
    } else if (explain->parsed()) {
        return explain_command(*explain, std::move(result), asked);
    } else if (schema->parsed()) {
        result.command = Command::Schema;
    } else if (purge->parsed()) {
        return purge_command(admin_url, wanted);
    } else if (cache->parsed()) {
        if (std::string wrong = check_cache_question(result.cache); !wrong.empty()) {
            return usage_error(wrong);
        }
        result.command = Command::Cache;
    } else if (help->parsed()) {
        app.clear(); // or the help would be that of the command `help`
        if (topic.empty()) {
            return help_text(app.help());
        }
        const CLI::App* about = find_command(app, topic);
        return about != nullptr ? help_text(about->help(app.get_name()))
                                : usage_error("no such command: " + topic + "; there are " + kCommands);
    } else {
        result.command = Command::Version;
    }
    return result;
}

config::LoadResult load_to_reload(const CommandLine& command_line) {
    config::LoadResult loaded = config::load_file(command_line.file);
    if (loaded.config == nullptr || !command_line.test_rules) {
        return loaded;
    }
    for (const RuleTestResult& result : run_rule_tests(loaded.config)) {
        for (const std::string& difference : result.differences) {
            loaded.problems.push_back(
                {result.place, "tests", "the test `" + result.name + "` fails: " + difference, ""});
        }
    }
    if (!loaded.problems.empty()) {
        loaded.config = nullptr;
    }
    return loaded;
}

std::shared_ptr<const config::Config> take_to_run(config::LoadResult loaded, std::ostream& err) {
    if (loaded.config == nullptr) {
        Tally tally(false);
        tally.add(loaded, err);
        err << tally.text() << "; not started\n";
    }
    for (const config::Problem& warning : loaded.warnings) {
        const config::SourcePlace& place = warning.place;
        const std::string where = place.file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
        spdlog::warn("configuration: place={} field={} advice={}", log_value(where), log_value(warning.path),
                     log_value(warning.message));
    }
    return std::move(loaded.config);
}

int run_check(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    Tally tally(command_line.deny_warnings);
    for (const std::string& file : command_line.files) {
        if (tally.add(config::load_file(file), err)) {
            out << file << ": ok\n";
        }
    }
    (tally.good() ? out : err) << tally.text() << '\n';
    return tally.good() ? kExitOk : kExitFailed;
}

int run_explain(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    if (!command_line.admin_url.empty()) {
        return run_live_explain(command_line, out, err);
    }
    const config::LoadResult loaded = config::load_file(command_line.file);
    if (loaded.config == nullptr) {
        Tally tally(false);
        tally.add(loaded, err);
        err << tally.text() << '\n';
        return kExitFailed;
    }
    const auto explanation = explain(loaded.config, command_line.question);
    if (!explanation) {
        err << "gatehouse: the request is refused: " << explanation.error().detail << '\n';
        return kExitFailed;
    }
    out << (command_line.json ? explanation_json(*explanation) : explanation_text(*explanation));
    return kExitOk;
}

int run_tests(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    std::vector<RuleTestResult> results;
    Tally tally(false);
    for (const std::string& file : command_line.files) {
        const config::LoadResult loaded = config::load_file(file);
        if (!tally.add(loaded, err)) {
            continue;
        }
        for (RuleTestResult& result : run_rule_tests(loaded.config)) {
            results.push_back(std::move(result));
        }
    }
    if (!tally.good()) {
        err << tally.text() << '\n';
        return kExitFailed;
    }
    if (results.empty()) {
        err << "gatehouse: no file has `tests`\n";
        return kExitFailed;
    }
    out << report_of(results, command_line.report);
    const bool passed =
        std::all_of(results.begin(), results.end(), [](const RuleTestResult& one) { return one.passed(); });
    return passed ? kExitOk : kExitFailed;
}

int run_command(const CommandLine& command_line, std::ostream& out, std::ostream& err) {
    switch (command_line.command) {
    case Command::Check: return run_check(command_line, out, err);
    case Command::Explain: return run_explain(command_line, out, err);
    case Command::Test: return run_tests(command_line, out, err);
    case Command::Schema: out << config::json_schema(); return kExitOk;
    case Command::Version: out << kVersionText << '\n'; return kExitOk;
    case Command::Purge: return run_purge(command_line, out, err);
    case Command::Cache: return run_cache(command_line.cache, out, err);
    case Command::Help: out << command_line.text; return kExitOk;
    case Command::UsageError:
    case Command::Run: // performed by main()
        break;
    }
    err << command_line.text;
    return kExitUsage;
}

} // namespace gatehouse::proxy
