# The libraries, and the one target that says how Asio and Beast are configured.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL 3 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)

# xxHash, c-ares and liburing of Debian have no CMake package; a path and a library are all they need.
function(gatehouse_plain_library name header library)
    find_path(${name}_INCLUDE_DIR ${header} REQUIRED)
    find_library(${name}_LIBRARY ${library} REQUIRED)
    mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY)
    add_library(${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(${name} PROPERTIES
        IMPORTED_LOCATION "${${name}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}")
endfunction()
gatehouse_plain_library(gatehouse_xxhash xxhash.h xxhash)
gatehouse_plain_library(gatehouse_cares ares.h cares)
gatehouse_plain_library(gatehouse_uring liburing.h uring)

# The program's malloc (docs/PERFORMANCE.md). A sanitizer has its own. The library has to be named among those that are
# needed although nothing calls it by its own names.
find_package(mimalloc 2 REQUIRED)
add_library(gatehouse_malloc INTERFACE)
if(NOT GATEHOUSE_SANITIZE)
    target_link_libraries(gatehouse_malloc INTERFACE -Wl,--push-state,--no-as-needed mimalloc -Wl,--pop-state)
endif()

# What every folder sees: the repository root as include directory, and Boost's headers.
add_library(gatehouse_base INTERFACE)
target_include_directories(gatehouse_base INTERFACE ${CMAKE_SOURCE_DIR})
target_link_libraries(gatehouse_base INTERFACE Boost::headers Threads::Threads)

# Asio and Beast are compiled once, in one object. These definitions change the layout of their types,
# so they are public and stand on this target alone: a file built without them would break the
# one-definition rule. Eight recycled blocks a thread instead of two keep nested coroutines free of
# allocations.
add_library(gatehouse_asio_impl STATIC cmake/asio_impl.cpp)
target_compile_definitions(gatehouse_asio_impl PUBLIC
    BOOST_ASIO_SEPARATE_COMPILATION
    BOOST_BEAST_SEPARATE_COMPILATION
    BOOST_ASIO_NO_DEPRECATED
    BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)
target_link_libraries(gatehouse_asio_impl PUBLIC
    gatehouse_base OpenSSL::SSL OpenSSL::Crypto Boost::headers)
# GCC takes a precompiled header only where the warnings that define macros (-Wpedantic) are the same.
target_link_libraries(gatehouse_asio_impl PRIVATE gatehouse_warnings)
if(GATEHOUSE_PCH)
    target_precompile_headers(gatehouse_asio_impl PRIVATE cmake/asio_pch.h)
endif()

add_library(gatehouse_asio INTERFACE)
target_link_libraries(gatehouse_asio INTERFACE gatehouse_asio_impl)

# The precompiled header belongs to the object above; whoever includes Asio reuses it.
function(gatehouse_reuse_asio_pch target)
    if(GATEHOUSE_PCH)
        target_precompile_headers(${target} REUSE_FROM gatehouse_asio_impl)
    endif()
endfunction()
