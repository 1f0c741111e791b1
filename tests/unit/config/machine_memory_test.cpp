// The memory limit of this process, from files that look like the kernel's.
#include "config/machine_memory.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace gatehouse::config;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

// A directory of its own for each test, gone afterwards.
class FakeKernel {
public:
    FakeKernel() {
        std::string pattern = (fs::temp_directory_path() / "gatehouse-memory-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        root_ = pattern;
    }
    FakeKernel(const FakeKernel&) = delete;
    FakeKernel& operator=(const FakeKernel&) = delete;
    ~FakeKernel() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    std::optional<std::uint64_t> memory() const {
        return available_memory({(root_ / "self").string(), (root_ / "cgroup").string(), (root_ / "meminfo").string()});
    }

private:
    fs::path root_;
};

} // namespace

TEST_CASE("Without any file nothing is known") { CHECK_FALSE(FakeKernel().memory().has_value()); }

TEST_CASE("The machine's memory counts when no cgroup limits it") {
    const FakeKernel kernel;
    kernel.write("meminfo", "MemFree:  1 kB\nMemTotal:        8388608 kB\n");
    CHECK(kernel.memory() == 8192 * kMiB);
    kernel.write("self", "0::/app\n");
    kernel.write("cgroup/app/memory.max", "max\n");
    CHECK(kernel.memory() == 8192 * kMiB);
}

TEST_CASE("cgroup version 2: the smallest limit on the way up counts") {
    const FakeKernel kernel;
    kernel.write("meminfo", "MemTotal: 8388608 kB\n");
    kernel.write("self", "0::/pod/app\n");
    kernel.write("cgroup/pod/app/memory.max", "1073741824\n");
    CHECK(kernel.memory() == 1024 * kMiB);
    kernel.write("cgroup/pod/memory.max", "536870912\n");
    CHECK(kernel.memory() == 512 * kMiB);
    kernel.write("cgroup/memory.max", "268435456\n");
    CHECK(kernel.memory() == 256 * kMiB);
}

TEST_CASE("cgroup version 2 inside a container: the own group is the root") {
    const FakeKernel kernel;
    kernel.write("self", "0::/\n");
    kernel.write("cgroup/memory.max", "134217728\n");
    CHECK(kernel.memory() == 128 * kMiB);
}

TEST_CASE("cgroup version 1: the memory controller's line counts") {
    const FakeKernel kernel;
    kernel.write("meminfo", "MemTotal: 8388608 kB\n");
    kernel.write("self", "5:cpu,cpuacct:/docker/abc\n4:hugetlb,memory:/docker/abc\n");
    kernel.write("cgroup/memory/docker/abc/memory.limit_in_bytes", "67108864\n");
    CHECK(kernel.memory() == 64 * kMiB);
}

TEST_CASE("cgroup version 1 writes no limit as a huge number") {
    const FakeKernel kernel;
    kernel.write("meminfo", "MemTotal: 1024 kB\n");
    kernel.write("self", "4:memory:/\n");
    kernel.write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(kernel.memory() == kMiB);
}

TEST_CASE("Malformed files are passed over") {
    const FakeKernel kernel;
    kernel.write("meminfo", "MemTotal: lots\n");
    kernel.write("self", "nonsense\n0:\n::\n0::app\n");
    kernel.write("cgroup/memory.max", "\n");
    CHECK_FALSE(kernel.memory().has_value());
}

TEST_CASE("This machine has some memory") {
    const auto memory = available_memory(MemorySources());
    REQUIRE(memory.has_value());
    CHECK(*memory > kMiB);
}
