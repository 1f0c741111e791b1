// What the threads of a server have had of the processors, as the kernel accounts for it.
#pragma once

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <dirent.h>

namespace gatehouse::bench {

// Nanoseconds on a processor, by the name of the thread.
using ProcessorTime = std::map<std::string, double>;

inline void add_thread(const std::string& folder, ProcessorTime& total) {
    std::string name;
    std::ifstream comm(folder + "/comm");
    std::getline(comm, name);
    std::ifstream schedstat(folder + "/schedstat");
    double on_processor = 0;
    schedstat >> on_processor;
    total[name] += on_processor;
}

// Of all threads of the processes; nothing where one of them is gone.
inline std::optional<ProcessorTime> processor_time(const std::vector<std::string>& pids) {
    ProcessorTime total;
    for (const std::string& pid : pids) {
        const std::string folder = "/proc/" + pid + "/task";
        DIR* directory = ::opendir(folder.c_str());
        if (directory == nullptr) {
            return std::nullopt;
        }
        while (const dirent* entry = ::readdir(directory)) {
            if (entry->d_name[0] != '.') {
                add_thread(folder + "/" + entry->d_name, total);
            }
        }
        ::closedir(directory);
    }
    return total;
}

// Seconds for which this process was ready and did not get its processor, because others had it.
inline double seconds_waited() {
    std::ifstream schedstat("/proc/self/schedstat");
    double on_processor = 0;
    double waited = 0;
    schedstat >> on_processor >> waited;
    return waited / 1e9;
}

inline double sum(const ProcessorTime& time) {
    double total = 0;
    for (const auto& [name, nanoseconds] : time) {
        total += nanoseconds;
    }
    return total;
}

} // namespace gatehouse::bench
