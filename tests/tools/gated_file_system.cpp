// A file system (FUSE) that shows a directory, and whose reads can be made to wait, as those of a disk that hangs do:
//
//   gated_file_system MOUNT_POINT DIRECTORY
//
// It has one more file, `.gate`: after "hold" was written to it no read ends, after "go" all do. It reads as the number
// of reads that wait. Ends by SIGTERM, or when it is unmounted.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr std::string_view kGate = "/.gate";

class Gate {
public:
    void set_held(bool is_held) {
        {
            const std::lock_guard lock(mutex_);
            is_held_ = is_held;
        }
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.wait(lock, [this] { return !is_held_; });
        --waiting_;
    }
    std::string text() {
        const std::lock_guard lock(mutex_);
        return std::to_string(waiting_) + "\n";
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_held_ = false;
    unsigned waiting_ = 0;
};

Gate gate;             // NOLINT: the functions below get no other context
std::string directory; // NOLINT

bool is_gate(const char* path) { return path == kGate; }
std::string behind(const char* path) { return directory + path; }
int result_of(int value) { return value < 0 ? -errno : 0; }
int descriptor_of(const fuse_file_info* file) { return static_cast<int>(file->fh); }

int get_attributes(const char* path, struct stat* found, fuse_file_info* /*file*/) {
    if (is_gate(path)) {
        *found = {};
        found->st_mode = S_IFREG | 0600;
        found->st_nlink = 1;
        return 0;
    }
    return result_of(::lstat(behind(path).c_str(), found));
}

int read_directory(const char* path, void* out, fuse_fill_dir_t add, off_t /*offset*/, fuse_file_info* /*file*/,
                   fuse_readdir_flags /*flags*/) {
    DIR* const open = ::opendir(behind(path).c_str());
    if (open == nullptr) {
        return -errno;
    }
    while (const dirent* const entry = ::readdir(open)) {
        add(out, entry->d_name, nullptr, 0, fuse_fill_dir_flags{});
    }
    ::closedir(open);
    return 0;
}

int open_with(const char* path, int flags, mode_t mode, fuse_file_info* file) {
    if (is_gate(path)) {
        file->direct_io = 1;
        return 0;
    }
    const int descriptor = ::open(behind(path).c_str(), flags | O_CLOEXEC, mode);
    file->fh = static_cast<std::uint64_t>(descriptor);
    file->keep_cache = 1;
    return result_of(descriptor);
}
int open_file(const char* path, fuse_file_info* file) { return open_with(path, file->flags & ~O_CREAT, 0, file); }
int create_file(const char* path, mode_t mode, fuse_file_info* file) {
    return open_with(path, file->flags | O_CREAT, mode, file);
}

int read_file(const char* path, char* bytes, size_t size, off_t offset, fuse_file_info* file) {
    if (path != nullptr && is_gate(path)) {
        const std::string text = gate.text();
        const std::string_view rest = std::string_view(text).substr(std::min<std::size_t>(offset, text.size()));
        const std::size_t part = std::min(size, rest.size());
        std::memcpy(bytes, rest.data(), part);
        return static_cast<int>(part);
    }
    gate.pass();
    const ssize_t got = ::pread(descriptor_of(file), bytes, size, offset);
    return got < 0 ? -errno : static_cast<int>(got);
}

int write_file(const char* path, const char* bytes, size_t size, off_t offset, fuse_file_info* file) {
    if (path != nullptr && is_gate(path)) {
        gate.set_held(std::string_view(bytes, size).starts_with("hold"));
        return static_cast<int>(size);
    }
    const ssize_t put = ::pwrite(descriptor_of(file), bytes, size, offset);
    return put < 0 ? -errno : static_cast<int>(put);
}

int resize_file(const char* path, off_t bytes, fuse_file_info* file) {
    if (is_gate(path)) {
        return 0;
    }
    return result_of(file == nullptr ? ::truncate(behind(path).c_str(), bytes)
                                     : ::ftruncate(descriptor_of(file), bytes));
}
int allocate(const char* /*path*/, int mode, off_t offset, off_t bytes, fuse_file_info* file) {
    return mode != 0 ? -EOPNOTSUPP : -::posix_fallocate(descriptor_of(file), offset, bytes);
}
int sync_file(const char* path, int /*data_only*/, fuse_file_info* file) {
    return is_gate(path) ? 0 : result_of(::fdatasync(descriptor_of(file)));
}
int close_file(const char* path, fuse_file_info* file) {
    return path != nullptr && is_gate(path) ? 0 : result_of(::close(descriptor_of(file)));
}
int remove_file(const char* path) { return result_of(::unlink(behind(path).c_str())); }
int rename_file(const char* from, const char* to, unsigned /*flags*/) {
    return result_of(::rename(behind(from).c_str(), behind(to).c_str()));
}
int make_directory(const char* path, mode_t mode) { return result_of(::mkdir(behind(path).c_str(), mode)); }

// What is in memory is believed, as it is of a disk.
void* begin(fuse_conn_info* connection, fuse_config* config) {
    connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
    config->attr_timeout = 3600;
    config->entry_timeout = 3600;
    return nullptr;
}

} // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fputs("usage: gated_file_system MOUNT_POINT DIRECTORY\n", stderr);
        return 2;
    }
    directory = arguments[2];
    fuse_operations operations{};
    operations.init = begin;
    operations.getattr = get_attributes;
    operations.readdir = read_directory;
    operations.open = open_file;
    operations.create = create_file;
    operations.read = read_file;
    operations.write = write_file;
    operations.truncate = resize_file;
    operations.fallocate = allocate;
    operations.fsync = sync_file;
    operations.release = close_file;
    operations.unlink = remove_file;
    operations.rename = rename_file;
    operations.mkdir = make_directory;
    std::array<char*, 1> options{arguments[0]};
    fuse_args parsed FUSE_ARGS_INIT(1, options.data());
    fuse* const file_system = fuse_new(&parsed, &operations, sizeof operations, nullptr);
    if (file_system == nullptr || fuse_mount(file_system, arguments[1]) != 0) {
        return 1;
    }
    fuse_set_signal_handlers(fuse_get_session(file_system));
    // As many reads may wait as a test begins, and the gate still be opened.
    fuse_loop_config* const threads = fuse_loop_cfg_create();
    fuse_loop_cfg_set_max_threads(threads, 600);
    const int status = fuse_loop_mt(file_system, threads);
    gate.set_held(false);
    fuse_loop_cfg_destroy(threads);
    fuse_unmount(file_system);
    fuse_destroy(file_system);
    return status == 0 ? 0 : 1;
}
