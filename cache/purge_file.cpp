// One mapping: a header that is written when the file is made, the tables, and slots for prefixes.
#include "cache/purge_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gatehouse::cache {

namespace {

using boost::system::error_code;

// Of the header's offsets those that docs/formats/disk.md names.
constexpr std::string_view kMagic = "GHPURGE1";
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kSizeAt = 16;
constexpr std::size_t kStoreIdAt = 32;
constexpr std::size_t kSecretAt = 48;
constexpr std::size_t kHeaderChecksumAt = 240;
constexpr std::size_t kBootIdAt = 256;
constexpr std::size_t kBootIdBytes = 40;
constexpr std::size_t kContentChecksumAt = 296;
constexpr std::size_t kStateAt = 304;
// Words in which no flipped bit makes one of another.
constexpr std::uint64_t kUnsettled = 0;
constexpr std::uint64_t kInUse = 0x6573752d6e692d2d;
constexpr std::uint64_t kClosed = 0x2d2d6465736f6c63;

constexpr std::size_t kPrefixAuthorityAt = 8; // its length
constexpr std::size_t kPrefixPathAt = 12;     // its length
constexpr std::size_t kPrefixTextAt = 16;
constexpr std::size_t kPrefixChecksumAt = PurgeFile::kPrefixBytes - 8;
constexpr std::uint32_t kNoAuthority = 0xffffffff;

static_assert(kSecretAt + std::tuple_size_v<store::HashSecret> == kHeaderChecksumAt);
static_assert(kPrefixTextAt + PurgeFile::kPrefixAuthority + PurgeFile::kPrefixPath <= kPrefixChecksumAt);
static_assert(PurgeFile::kFileBytes % PurgeFile::kHeaderBytes == 0, "whole pages");

template <class Number>
void put(char* bytes, std::size_t at, Number number) noexcept {
    std::memcpy(bytes + at, &number, sizeof number);
}

template <class Number>
Number get(const char* bytes, std::size_t at) noexcept {
    Number number;
    std::memcpy(&number, bytes + at, sizeof number);
    return number;
}

std::atomic_ref<std::uint64_t> word(char* bytes, std::size_t at) noexcept {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(bytes + at));
}

// What stands in front of it is stored before what stands behind it, as a process sees it that comes after this one.
void keep_order() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

class Descriptor {
public:
    explicit Descriptor(int number) noexcept : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const noexcept { return number_; }

private:
    int number_;
};

// All of it, so that no store into the mapping is the first to find out that the disk is full.
error_code allocate(int descriptor) noexcept {
    int failed = 0;
    do {
        failed = ::posix_fallocate(descriptor, 0, static_cast<off_t>(PurgeFile::kFileBytes));
    } while (failed == EINTR);
    return {failed, boost::system::system_category()};
}

// All of it is in memory, and stays there: hits look for purges, and must not wait for a disk. Where this process may
// not lock so much (RLIMIT_MEMLOCK), it stays as long as the kernel has memory.
char* map(int descriptor) noexcept {
    void* const pages =
        ::mmap(nullptr, PurgeFile::kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (pages == MAP_FAILED) {
        return nullptr;
    }
    ::mlock(pages, PurgeFile::kFileBytes);
    return static_cast<char*>(pages);
}

void sync_directory_of(const std::string& path) noexcept {
    std::string directory = std::filesystem::path(path).parent_path().string();
    if (directory.empty()) {
        directory = ".";
    }
    const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() >= 0) {
        ::fsync(descriptor.get());
    }
}

std::array<char, kBootIdBytes> padded(std::string_view boot_id) noexcept {
    std::array<char, kBootIdBytes> out{};
    std::copy_n(boot_id.data(), std::min(boot_id.size(), out.size()), out.data());
    return out;
}

void write_header(char* page, const store::disk::StoreId& store_id, const store::HashSecret& secret,
                  std::string_view boot_id) noexcept {
    std::memcpy(page, kMagic.data(), kMagic.size());
    put(page, kVersionAt, PurgeFile::kVersion);
    put(page, kSizeAt, std::uint64_t{PurgeFile::kFileBytes});
    std::memcpy(page + kStoreIdAt, store_id.data(), store_id.size());
    std::memcpy(page + kSecretAt, secret.data(), secret.size());
    put(page, kHeaderChecksumAt, store::disk::checksum({page, kHeaderChecksumAt}));
    std::memcpy(page + kBootIdAt, padded(boot_id).data(), kBootIdBytes);
}

// Of what never changes in a file.
PurgeFile::Found check_header(int descriptor, const store::disk::StoreId& store_id) {
    std::array<char, PurgeFile::kHeaderBytes> header{};
    struct stat file {};
    const ssize_t got = ::pread(descriptor, header.data(), header.size(), 0);
    if (got != static_cast<ssize_t>(header.size()) || ::fstat(descriptor, &file) != 0 ||
        std::string_view(header.data(), kMagic.size()) != kMagic) {
        return PurgeFile::Found::Damaged;
    }
    if (get<std::uint32_t>(header.data(), kVersionAt) != PurgeFile::kVersion) {
        return PurgeFile::Found::OtherVersion;
    }
    if (file.st_size != static_cast<off_t>(PurgeFile::kFileBytes) ||
        get<std::uint64_t>(header.data(), kSizeAt) != PurgeFile::kFileBytes ||
        get<std::uint64_t>(header.data(), kHeaderChecksumAt) !=
            store::disk::checksum({header.data(), kHeaderChecksumAt})) {
        return PurgeFile::Found::Damaged;
    }
    const bool is_ours = std::memcmp(header.data() + kStoreIdAt, store_id.data(), store_id.size()) == 0;
    return is_ours ? PurgeFile::Found::Restored : PurgeFile::Found::OtherStore;
}

} // namespace

std::string PurgeFile::current_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string line;
    std::getline(file, line);
    return line;
}

boost::system::result<std::unique_ptr<PurgeFile>> PurgeFile::open(const std::string& path,
                                                                  const store::disk::StoreId& store_id,
                                                                  const std::string& boot_id) {
    const Descriptor descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (descriptor.get() < 0) {
        return errno == ENOENT ? replace(path, store_id, boot_id, Found::New) : last_error();
    }
    if (const Found found = check_header(descriptor.get(), store_id); found != Found::Restored) {
        return replace(path, store_id, boot_id, found);
    }
    if (const error_code error = allocate(descriptor.get())) { // a copy may have holes
        return error;
    }
    char* const pages = map(descriptor.get());
    if (pages == nullptr) {
        return last_error();
    }
    std::unique_ptr<PurgeFile> file(new PurgeFile(pages, false)); // until it is believed, nobody's
    const Found found = file->check_state(boot_id);
    if (found == Found::New) {
        file->begin_anew(boot_id); // in its place: there may be no room for another one
        return file;
    }
    if (found != Found::Restored) {
        return replace(path, store_id, boot_id, found);
    }
    // The id first: while the file is marked as closed, it is not asked for.
    std::memcpy(pages + kBootIdAt, padded(boot_id).data(), kBootIdBytes);
    keep_order();
    word(pages, kStateAt).store(kInUse, std::memory_order_release);
    // Before the first purge, or a power failure might leave the mark of a file that was closed before it.
    if (!file->write_back(kHeaderBytes)) {
        return last_error();
    }
    file->is_file_ = true;
    return file;
}

// As long as nobody settles it, it is new, whatever it has.
void PurgeFile::begin_anew(const std::string& boot_id) noexcept {
    std::memset(pages_ + kNewestAt, 0, kFileBytes - kNewestAt);
    std::memcpy(pages_ + kBootIdAt, padded(boot_id).data(), kBootIdBytes);
    is_file_ = true;
    found_ = Found::New;
}

// Under another name first: a process that is killed here leaves the old file, which is found to be as it was.
boost::system::result<std::unique_ptr<PurgeFile>> PurgeFile::replace(const std::string& path,
                                                                     const store::disk::StoreId& store_id,
                                                                     const std::string& boot_id, Found found) {
    const store::HashSecret secret = store::draw_secret();
    const std::string beside = path + ".new";
    ::unlink(beside.c_str()); // of a process that was killed
    const Descriptor descriptor(::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (descriptor.get() < 0) {
        return last_error();
    }
    error_code error = allocate(descriptor.get());
    std::unique_ptr<PurgeFile> file;
    if (!error) {
        if (char* const pages = map(descriptor.get())) {
            write_header(pages, store_id, secret, boot_id);
            file.reset(new PurgeFile(pages, true));
        }
        if (!file || ::fsync(descriptor.get()) != 0 || ::rename(beside.c_str(), path.c_str()) != 0) {
            error = last_error();
        }
    }
    if (error) {
        ::unlink(beside.c_str());
        return error;
    }
    // The old one must not come back after a power failure, with a mark that was true of it.
    sync_directory_of(path);
    file->found_ = found;
    return file;
}

std::unique_ptr<PurgeFile> PurgeFile::in_memory() {
    void* const pages = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        throw std::bad_alloc();
    }
    std::unique_ptr<PurgeFile> file(new PurgeFile(static_cast<char*>(pages), false));
    file->secret_ = store::draw_secret();
    return file;
}

PurgeFile::PurgeFile(char* pages, bool is_file) : pages_(pages), is_file_(is_file) {
    std::memcpy(secret_.data(), pages_ + kSecretAt, secret_.size());
    free_slots_.reserve(kPrefixSlots);
    for (std::size_t slot = kPrefixSlots; slot-- > 0;) {
        free_slots_.push_back(static_cast<std::uint16_t>(slot));
    }
}

PurgeFile::~PurgeFile() {
    const auto state = word(pages_, kStateAt);
    // What nobody settled stays as it is. The mark is true only when all that it speaks of is on the disk.
    if (is_file_ && state.load(std::memory_order_acquire) == kInUse && write_back(kFileBytes)) {
        put(pages_, kContentChecksumAt, store::disk::checksum({pages_ + kNewestAt, kFileBytes - kNewestAt}));
        keep_order();
        state.store(kClosed, std::memory_order_release);
        write_back(kHeaderBytes);
    }
    ::munmap(pages_, kFileBytes);
}

bool PurgeFile::write_back(std::size_t bytes) noexcept { return ::msync(pages_, bytes, MS_SYNC) == 0; }

void PurgeFile::settle() noexcept {
    keep_order();
    word(pages_, kStateAt).store(kInUse, std::memory_order_release);
}

void PurgeFile::unsettle() noexcept {
    word(pages_, kStateAt).store(kUnsettled, std::memory_order_release);
    keep_order();
}

std::span<PurgeTable::Set> PurgeFile::sets(std::size_t offset, std::size_t count) noexcept {
    return {reinterpret_cast<PurgeTable::Set*>(pages_ + offset), count};
}

PurgeFile::Newest PurgeFile::newest(std::size_t offset) noexcept {
    return Newest(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_ + offset), kKinds);
}

std::atomic<std::uint64_t>& PurgeFile::everything() noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(pages_ + kEverythingAt);
}

PurgeFile::Found PurgeFile::check_state(const std::string& boot_id) {
    const std::uint64_t state = word(pages_, kStateAt).load(std::memory_order_acquire);
    if (state == kUnsettled) {
        return Found::New;
    }
    if (state == kClosed) {
        const std::uint64_t expected = get<std::uint64_t>(pages_, kContentChecksumAt);
        const bool is_same = store::disk::checksum({pages_ + kNewestAt, kFileBytes - kNewestAt}) == expected;
        return is_same && restore() ? Found::Restored : Found::Damaged;
    }
    if (state != kInUse) {
        return Found::Damaged;
    }
    if (boot_id.empty() || std::memcmp(pages_ + kBootIdAt, padded(boot_id).data(), kBootIdBytes) != 0) {
        return Found::PowerFailure;
    }
    return restore() ? Found::Restored : Found::Damaged;
}

// False: there is something that is never written.
bool PurgeFile::restore() {
    const std::uint64_t largest =
        std::max({PurgeTable(exact()).largest(), PurgeTable(any_host()).largest(), PurgeTable(paths()).largest(),
                  everything().load(std::memory_order_relaxed)});
    if (largest > kMaxNumber) {
        return false;
    }
    free_slots_.clear();
    for (std::size_t slot = kPrefixSlots; slot-- > 0;) {
        if (word(pages_, kPrefixesAt + slot * kPrefixBytes).load(std::memory_order_acquire) == 0) {
            free_slots_.push_back(static_cast<std::uint16_t>(slot));
        } else if (!restore_prefix(slot)) {
            return false;
        }
    }
    return free_slots_.size() >= kMinFreeSlots;
}

bool PurgeFile::restore_prefix(std::size_t slot) {
    const char* const bytes = pages_ + kPrefixesAt + slot * kPrefixBytes;
    const auto authority_bytes = get<std::uint32_t>(bytes, kPrefixAuthorityAt);
    const auto path_bytes = get<std::uint32_t>(bytes, kPrefixPathAt);
    const std::size_t path_at = kPrefixTextAt + (authority_bytes == kNoAuthority ? 0 : authority_bytes);
    StoredPrefix found;
    found.slot = slot;
    found.prefix.number = get<std::uint64_t>(bytes, 0);
    if (get<std::uint64_t>(bytes, kPrefixChecksumAt) != store::disk::checksum({bytes, kPrefixChecksumAt}) ||
        (authority_bytes != kNoAuthority && authority_bytes > kPrefixAuthority) || path_bytes > kPrefixPath ||
        found.prefix.number > kMaxNumber) {
        return false;
    }
    if (authority_bytes != kNoAuthority) {
        found.prefix.authority.emplace(bytes + kPrefixTextAt, authority_bytes);
    }
    found.prefix.path.assign(bytes + path_at, path_bytes);
    found_prefixes_.push_back(std::move(found));
    return true;
}

std::size_t PurgeFile::add_prefix(const std::optional<std::string>& authority, std::string_view path,
                                  std::uint64_t number) noexcept {
    const std::size_t slot = free_slots_.back();
    free_slots_.pop_back();
    std::array<char, kPrefixBytes> bytes{};
    std::size_t end = kPrefixTextAt;
    const bool has_authority = authority && authority->size() <= kPrefixAuthority;
    put(bytes.data(), kPrefixAuthorityAt, has_authority ? static_cast<std::uint32_t>(authority->size()) : kNoAuthority);
    if (has_authority) {
        std::memcpy(bytes.data() + end, authority->data(), authority->size());
        end += authority->size();
    }
    path = path.substr(0, kPrefixPath);
    put(bytes.data(), kPrefixPathAt, static_cast<std::uint32_t>(path.size()));
    std::memcpy(bytes.data() + end, path.data(), path.size());
    put(bytes.data(), 0, number);
    put(bytes.data(), kPrefixChecksumAt, store::disk::checksum({bytes.data(), kPrefixChecksumAt}));
    // The number comes last: it makes the slot count. Until then it is free, whatever is in it.
    char* const place = pages_ + kPrefixesAt + slot * kPrefixBytes;
    std::memcpy(place + kPrefixAuthorityAt, bytes.data() + kPrefixAuthorityAt, kPrefixBytes - kPrefixAuthorityAt);
    keep_order();
    word(place, 0).store(number, std::memory_order_release);
    return slot;
}

void PurgeFile::drop_prefix(std::size_t slot) noexcept {
    word(pages_, kPrefixesAt + slot * kPrefixBytes).store(0, std::memory_order_release);
    keep_order(); // what is written into the slot from now on comes later
    free_slots_.push_back(static_cast<std::uint16_t>(slot));
}

} // namespace gatehouse::cache
