// What a load asks for, one request after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace gatehouse::bench {

// Numbers below `count`, number n as likely as 1 / (n + 1)^exponent.
class Zipf {
public:
    Zipf(std::uint64_t count, double exponent) {
        sums_.reserve(count);
        double sum = 0;
        for (std::uint64_t n = 1; n <= count; ++n) {
            sum += std::pow(static_cast<double>(n), -exponent);
            sums_.push_back(sum);
        }
    }

    // `chance` is in [0, 1).
    std::uint64_t number_at(double chance) const {
        const auto found = std::upper_bound(sums_.begin(), sums_.end(), chance * sums_.back());
        return std::min<std::uint64_t>(static_cast<std::uint64_t>(found - sums_.begin()), sums_.size() - 1);
    }

private:
    std::vector<double> sums_; // of likelihoods, up to each number
};

// A path is asked for as it is, or has one of these, which a number takes the place of:
//   {next:FIRST}         FIRST, FIRST + 1 and so on
//   {cycle:COUNT}        0 to COUNT - 1, then from 0 again
//   {random:COUNT}       one of 0 to COUNT - 1, each as likely, from a fixed seed
//   {zipf:COUNT:A:SEED}  one of 0 to COUNT - 1, number n as likely as 1 / (n + 1)^A
class Requests {
public:
    explicit Requests(const std::string& path, const std::vector<std::string>& fields = {}) : before_("GET " + path) {
        const std::size_t open = before_.find('{');
        const std::size_t close = before_.find('}');
        if (open != std::string::npos && close != std::string::npos) {
            read_pattern(before_.substr(open + 1, close - open - 1));
            after_ = before_.substr(close + 1);
            before_.erase(open);
        }
        after_ += " HTTP/1.1\r\nHost: bench.test\r\nAccept: */*\r\nUser-Agent: hit_load\r\n";
        for (const std::string& field : fields) {
            after_ += field + "\r\n";
        }
        after_ += "\r\n";
    }

    // Appends one to what is to be sent.
    void append_next(std::string& text) { append(text, next_number()); }

    // One with a number that the caller chose.
    void append(std::string& text, std::uint64_t number) const {
        text += before_;
        if (kind_ != Kind::Fixed) {
            text += std::to_string(number);
        }
        text += after_;
    }

    std::uint64_t next_number() {
        switch (kind_) {
        case Kind::Fixed: return 0;
        case Kind::Next: return number_ + asked_++;
        case Kind::Cycle: return asked_++ % number_;
        case Kind::Random: return chance_() % number_;
        case Kind::Zipf: break;
        }
        return zipf_.front().number_at(std::generate_canonical<double, 53>(chance_));
    }

private:
    enum class Kind { Fixed, Next, Cycle, Random, Zipf };

    void read_pattern(const std::string& pattern) {
        std::istringstream in(pattern);
        std::string kind;
        std::getline(in, kind, ':');
        in >> number_;
        double exponent = 0;
        std::uint64_t seed = 1; // the same for each server and each run
        if (in.ignore(1) >> exponent) {
            in.ignore(1) >> seed;
        }
        chance_.seed(seed);
        kind_ = kind == "next"    ? Kind::Next
                : kind == "cycle" ? Kind::Cycle
                : kind == "zipf"  ? Kind::Zipf
                                  : Kind::Random;
        if (kind_ == Kind::Zipf) {
            zipf_.emplace_back(number_, exponent);
        }
    }

    Kind kind_ = Kind::Fixed;
    std::string before_;
    std::string after_;
    std::uint64_t number_ = 0; // the first, or how many
    std::uint64_t asked_ = 0;
    std::mt19937_64 chance_;
    std::vector<Zipf> zipf_; // one, where the path asks for it
};

} // namespace gatehouse::bench
