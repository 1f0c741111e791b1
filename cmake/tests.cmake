# Test programs. `unit_tests` holds all of tests/unit and tests/store; beside it each layer has a small
# program of its own (`unit_tests_http`, `unit_tests_policy`, ...) that needs only the layers below it,
# which is what one builds while working on one folder.
# doctest prints a char* as an address unless told otherwise, and the header of 2.4.9, which is what
# Debian 12 has, does not compile when told: two constants lack their type. A corrected copy stands
# before it in the include path.
find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h REQUIRED)
mark_as_advanced(DOCTEST_INCLUDE_DIR)
file(READ ${DOCTEST_INCLUDE_DIR}/doctest/doctest.h doctest_header)
string(REPLACE "static DOCTEST_CONSTEXPR value =" "static DOCTEST_CONSTEXPR int value ="
       doctest_header "${doctest_header}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/doctest/doctest/doctest.h CONTENT "${doctest_header}" @ONLY)

add_library(gatehouse_doctest INTERFACE)
target_include_directories(gatehouse_doctest SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/doctest)
target_compile_definitions(gatehouse_doctest INTERFACE
    DOCTEST_CONFIG_TREAT_CHAR_STAR_AS_STRING
    GATEHOUSE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
# Optimised, GCC 12 takes the copy inside "text" + std::string(...) for one beyond its end, under three names
# (gcc.gnu.org/PR105329 in another dress). Tests put texts together everywhere; the program's own code is still checked.
# What else it may say of such code is a warning there, and an error in the builds of dev and clang.
set(gcc12_flags "-Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-error=stringop-truncation \
-Wno-error=free-nonheap-object -Wno-error=mismatched-new-delete -Wno-error=dangling-pointer -Wno-error=use-after-free \
-Wno-error=nonnull")
target_compile_options(gatehouse_doctest INTERFACE
    "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:RelWithDebInfo>>:SHELL:${gcc12_flags}>")

# main() is compiled without a precompiled header: that one has already read doctest as a mere user.
add_library(gatehouse_doctest_main OBJECT tests/support/doctest_main.cpp)
target_link_libraries(gatehouse_doctest_main PRIVATE gatehouse_doctest)

# The precompiled header of tests that have no Asio in them.
if(GATEHOUSE_PCH)
    add_library(gatehouse_doctest_pch OBJECT cmake/doctest_pch.cpp)
    target_link_libraries(gatehouse_doctest_pch PRIVATE
        gatehouse_doctest gatehouse_base gatehouse_warnings)
    target_precompile_headers(gatehouse_doctest_pch PRIVATE cmake/doctest_pch.h)
endif()

function(gatehouse_reuse_doctest_pch target)
    if(GATEHOUSE_PCH)
        target_precompile_headers(${target} REUSE_FROM gatehouse_doctest_pch)
    endif()
endfunction()

function(gatehouse_test_program name)
    add_executable(${name} $<TARGET_OBJECTS:gatehouse_doctest_main> ${ARGN})
    target_link_libraries(${name} PRIVATE gatehouse_doctest gatehouse_warnings)
endfunction()

# What several test programs share: scripted origins, raw clients, a clock that tests advance.
file(GLOB support_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.cpp)
list(REMOVE_ITEM support_sources ${CMAKE_SOURCE_DIR}/tests/support/doctest_main.cpp)
if(support_sources)
    add_library(gatehouse_test_support STATIC ${support_sources})
    target_link_libraries(gatehouse_test_support PUBLIC
        gatehouse_proxy gatehouse_doctest PRIVATE gatehouse_warnings)
    gatehouse_reuse_asio_pch(gatehouse_test_support)
else()
    add_library(gatehouse_test_support INTERFACE)
    target_link_libraries(gatehouse_test_support INTERFACE gatehouse_proxy)
endif()

# One group of unit tests: compiled once, linked into its own program and into `unit_tests`.
file(GLOB_RECURSE all_unit_sources CONFIGURE_DEPENDS
     ${CMAKE_SOURCE_DIR}/tests/unit/*.cpp ${CMAKE_SOURCE_DIR}/tests/store/*.cpp)
set(unit_objects "")
set(unit_libraries "")
set(unit_claimed "")

function(gatehouse_unit_group group)
    cmake_parse_arguments(ARG "ASIO" "" "MATCH;LINKS" ${ARGN})
    set(sources "")
    foreach(pattern IN LISTS ARG_MATCH)
        set(found ${all_unit_sources})
        list(FILTER found INCLUDE REGEX "^${CMAKE_SOURCE_DIR}/tests/${pattern}")
        list(APPEND sources ${found})
    endforeach()
    if(unit_claimed AND sources)
        list(REMOVE_ITEM sources ${unit_claimed})
    endif()
    if(NOT sources)
        return()
    endif()
    add_library(unit_objects_${group} OBJECT ${sources})
    target_link_libraries(unit_objects_${group} PRIVATE
        ${ARG_LINKS} gatehouse_doctest gatehouse_warnings)
    if(ARG_ASIO)
        gatehouse_reuse_asio_pch(unit_objects_${group})
    else()
        gatehouse_reuse_doctest_pch(unit_objects_${group})
    endif()
    gatehouse_test_program(unit_tests_${group} $<TARGET_OBJECTS:unit_objects_${group}>)
    target_link_libraries(unit_tests_${group} PRIVATE ${ARG_LINKS})
    set_target_properties(unit_tests_${group} PROPERTIES EXCLUDE_FROM_ALL ON)
    set(unit_claimed ${unit_claimed} ${sources} PARENT_SCOPE)
    set(unit_objects ${unit_objects} $<TARGET_OBJECTS:unit_objects_${group}> PARENT_SCOPE)
    set(unit_libraries ${ARG_LINKS} ${unit_libraries} PARENT_SCOPE)
endfunction()

# Order matters: the first group that matches a file has it, and the last one takes what is left.
gatehouse_unit_group(http MATCH unit/http/ LINKS gatehouse_http Boost::json)
gatehouse_unit_group(config MATCH unit/config/ LINKS gatehouse_config gatehouse_http Boost::json)
gatehouse_unit_group(policy MATCH unit/cache/policy/ unit/policy/ LINKS gatehouse_cache_policy)
gatehouse_unit_group(store MATCH store/ unit/cache/store/ unit/store/ LINKS gatehouse_cache_store)
gatehouse_unit_group(cache MATCH unit/cache/ LINKS gatehouse_cache)
gatehouse_unit_group(proxy ASIO MATCH unit/ LINKS gatehouse_test_support gatehouse_proxy)

if(unit_objects)
    gatehouse_test_program(unit_tests ${unit_objects})
    list(REMOVE_DUPLICATES unit_libraries)
    target_link_libraries(unit_tests PRIVATE ${unit_libraries})
    add_test(NAME unit_tests COMMAND unit_tests)
else()
    add_custom_target(unit_tests)
endif()

# The whole proxy in one process, against scripted origins.
file(GLOB_RECURSE integration_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/integration/*.cpp)
if(integration_sources)
    gatehouse_test_program(integration_tests ${integration_sources})
    target_link_libraries(integration_tests PRIVATE gatehouse_test_support gatehouse_proxy)
    gatehouse_reuse_asio_pch(integration_tests)
    add_dependencies(integration_tests gatehouse) # which some of them start
    add_test(NAME integration_tests COMMAND integration_tests)
else()
    add_custom_target(integration_tests)
endif()

# The rules of the house, checked over the tree itself.
file(GLOB style_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/style/*.cpp)
if(style_sources)
    gatehouse_test_program(style_tests ${style_sources})
    target_link_libraries(style_tests PRIVATE gatehouse_base)
    gatehouse_reuse_doctest_pch(style_tests)
    add_test(NAME style_tests COMMAND style_tests)
else()
    add_custom_target(style_tests)
endif()

# Programs that tests start; they lie beside the test programs.
file(GLOB tool_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/tools/*.cpp)
foreach(source IN LISTS tool_sources)
    get_filename_component(tool ${source} NAME_WE)
    add_executable(${tool} ${source})
    target_link_libraries(${tool} PRIVATE gatehouse_warnings)
endforeach()
gatehouse_plain_library(gatehouse_fuse fuse3/fuse.h fuse3)
target_link_libraries(gated_file_system PRIVATE gatehouse_fuse Threads::Threads)
add_dependencies(integration_tests gated_file_system without_io_uring)
