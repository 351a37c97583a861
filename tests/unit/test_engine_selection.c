/* SPDX-License-Identifier: Apache-2.0 */
/* Engine selection: the order on each machine, and the way from one engine to the next. */
#include "tests/unit/check.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/engine_selection.h"

#include <stdio.h>

/* Nobody calls the drivers here. */
const struct vmm_driver vmm_qemu = {.name = "qemu"};
const struct vmm_driver vmm_cloud_hypervisor = {.name = "cloud-hypervisor"};
const struct vmm_driver vmm_uml = {.name = "uml"};

static const char *const x86_64[] = {"cloud-hypervisor+kvm+snapshot",
                                     "cloud-hypervisor+kvm+boot",
                                     "qemu+kvm+snapshot",
                                     "qemu+kvm+boot",
                                     "uml+boot",
                                     "qemu+tcg+snapshot",
                                     "qemu+tcg+boot",
                                     NULL};
static const char *const aarch64[] = {"cloud-hypervisor+kvm+snapshot",
                                      "cloud-hypervisor+kvm+boot",
                                      "qemu+kvm+snapshot",
                                      "qemu+kvm+snapshot,pmu=off",
                                      "qemu+kvm+snapshot,pmu=off,sve=off",
                                      "qemu+kvm+boot",
                                      "qemu+tcg+snapshot",
                                      "qemu+tcg+boot",
                                      NULL};

/* A host on which the first `broken` engines fail, each with the reason that `why` gives it. */
struct host {
    size_t broken, tried;
    const char *(*why)(size_t engine);
};

static const char *same(size_t engine)
{
    (void)engine;
    return "there is no /dev/kvm";
}

static const char *different(size_t engine)
{
    static const char *const reasons[] = {"too old", "no room", "no clone", "no PMU",
                                          "no SVE",  "silence", "noise",    "?"};
    return reasons[engine];
}

static int try(void *context, const struct engine *engine, struct pe_error *err)
{
    struct host *host = context;
    (void)engine;
    size_t number = host->tried++;
    return number < host->broken ? pe_fail(err, PE_ERR_INTERNAL, "%s", host->why(number)) : 0;
}

static int choose(const struct engine *engines, size_t count, const char *name, struct host *host,
                  const struct engine **chosen, char reason[ENGINE_REASON_MAX], struct pe_error *err)
{
    const struct engine_wish wish = {.name = name};
    return engine_select(engines, count, &wish, try, host, chosen, reason, err);
}

static void check_order(const char *machine, const char *const *wanted)
{
    struct engine engines[ENGINES_MAX];
    size_t count = engines_for_machine(machine, engines);
    size_t length = 0;
    while (wanted[length])
        length++;
    assert_int_equal(count, length);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(engines[i].name, wanted[i]);
}

static void the_order_on_x86_64_is_the_documented_one(void **state)
{
    (void)state;
    check_order("x86_64", x86_64);
}

static void arm64_tries_snapshots_without_pmu_and_then_without_sve_too(void **state)
{
    struct engine engines[ENGINES_MAX];
    (void)state;
    check_order("aarch64", aarch64);
    engines_for_machine("aarch64", engines);
    for (size_t i = 0; i < sizeof aarch64 / sizeof *aarch64 - 1; i++) {
        const char *flags = strchr(engines[i].name, ',');
        assert_string_equal(engines[i].cpu_flags, flags ? flags : "");
    }
}

static void an_engine_says_what_its_name_does(void **state)
{
    struct engine engines[ENGINES_MAX];
    (void)state;
    size_t count = engines_for_machine("aarch64", engines);
    for (size_t i = 0; i < count; i++) {
        struct vm_host host = {0};
        engine_apply(&engines[i], &host);
        assert_ptr_equal(host.driver, strstr(engines[i].name, "qemu") ? &vmm_qemu : &vmm_cloud_hypervisor);
        assert_int_equal(host.accel, strstr(engines[i].name, "kvm") ? VM_ACCEL_KVM : VM_ACCEL_TCG);
        assert_int_equal(engines[i].snapshot, strstr(engines[i].name, "snapshot") != NULL);
        assert_string_equal(host.cpu_flags, engines[i].cpu_flags);
    }
}

/* With the first `broken` engines failing, the next one is taken, and nothing below it is tried. */
static void check_walk_down(const char *machine, size_t broken)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    size_t count = engines_for_machine(machine, engines);
    struct host host = {.broken = broken, .why = different};
    assert_int_equal(choose(engines, count, "auto", &host, &chosen, reason, &err), 0);
    assert_ptr_equal(chosen, &engines[broken]);
    assert_int_equal(host.tried, broken + 1);
    assert_int_equal(strncmp(reason, engines[broken].name, strlen(engines[broken].name)), 0);
    for (size_t i = 0; i < broken; i++) {
        char part[128];
        snprintf(part, sizeof part, "; not %s: %s", engines[i].name, different(i));
        assert_non_null(strstr(reason, part));
    }
}

static void a_broken_engine_leads_to_the_next_and_the_reason_explains_it(void **state)
{
    (void)state;
    for (size_t broken = 0; broken < 7; broken++)
        check_walk_down("x86_64", broken);
    for (size_t broken = 0; broken < 8; broken++)
        check_walk_down("aarch64", broken);
}

static void engines_that_fail_alike_share_one_reason(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {.broken = 4, .why = same};
    (void)state;
    size_t count = engines_for_machine("x86_64", engines);
    assert_int_equal(choose(engines, count, "auto", &host, &chosen, reason, &err), 0);
    assert_string_equal(reason, "uml+boot; not cloud-hypervisor+kvm+snapshot, cloud-hypervisor+kvm+boot, "
                                "qemu+kvm+snapshot, qemu+kvm+boot: there is no /dev/kvm");
}

static void an_engine_that_is_asked_for_is_the_only_one_tried(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {0};
    (void)state;
    size_t count = engines_for_machine("x86_64", engines);
    assert_int_equal(choose(engines, count, "qemu+tcg+boot", &host, &chosen, reason, &err), 0);
    assert_string_equal(chosen->name, "qemu+tcg+boot");
    assert_string_equal(reason, "qemu+tcg+boot (asked for)");
    assert_int_equal(host.tried, 1);
    host = (struct host){.broken = 1, .why = same};
    assert_true(choose(engines, count, "qemu+kvm+boot", &host, &chosen, reason, &err) < 0);
    assert_int_equal(host.tried, 1);
    assert_error(err, PE_ERR_INTERNAL, "not qemu+kvm+boot: there is no /dev/kvm");
}

static void an_unknown_engine_is_refused_with_the_names_of_others(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {0};
    (void)state;
    size_t count = engines_for_machine("x86_64", engines);
    assert_true(choose(engines, count, "qemu+kvm+snapshot,pmu=off", &host, &chosen, reason, &err) < 0);
    assert_int_equal(host.tried, 0);
    assert_error(err, PE_ERR_INVALID, "there is no engine 'qemu+kvm+snapshot,pmu=off'");
    assert_error(err, PE_ERR_INVALID, "cloud-hypervisor+kvm+snapshot");
    assert_error(err, PE_ERR_INVALID, "qemu+tcg+boot");
}

static void check_family(const char *name, struct pe_isolation_set isolation, size_t broken,
                         const char *chosen_name)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {.broken = broken, .why = different};
    const struct engine_wish wish = {.name = name, .isolation = isolation};
    size_t count = engines_for_machine("x86_64", engines);
    assert_int_equal(engine_select(engines, count, &wish, try, &host, &chosen, reason, &err), 0);
    assert_string_equal(chosen->name, chosen_name);
}

static void a_family_stands_for_its_best_engine_that_works(void **state)
{
    const struct pe_isolation_set any = {0};
    (void)state;
    check_family("kvm", any, 0, "cloud-hypervisor+kvm+snapshot");
    check_family("kvm", any, 2, "qemu+kvm+snapshot");
    check_family("tcg", any, 0, "qemu+tcg+snapshot");
    check_family("tcg", any, 1, "qemu+tcg+boot");
    check_family("qemu", any, 2, "qemu+tcg+snapshot");
    check_family("cloud-hypervisor", any, 1, "cloud-hypervisor+kvm+boot");
    check_family("uml", any, 0, "uml+boot");
}

static void only_engines_with_the_isolation_that_is_asked_for_are_tried(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {.broken = ENGINES_MAX, .why = different};
    struct engine_wish wish = {.name = "auto", .isolation = pe_isolation_set_of(PE_ISOLATION_HARDWARE)};
    (void)state;
    check_family("auto", pe_isolation_set_of(PE_ISOLATION_EMULATION), 0, "qemu+tcg+snapshot");
    check_family("qemu", pe_isolation_set_of(PE_ISOLATION_EMULATION), 0, "qemu+tcg+snapshot");
    size_t count = engines_for_machine("x86_64", engines);
    assert_true(engine_select(engines, count, &wish, try, &host, &chosen, reason, &err) < 0);
    assert_int_equal(host.tried, 4);
    assert_error(err, PE_ERR_INTERNAL,
                 "no engine with the isolation hardware works on this host: not cloud-");
    wish.name = "tcg";
    assert_true(engine_select(engines, count, &wish, try, &host, &chosen, reason, &err) < 0);
    assert_error(err, PE_ERR_INVALID, "no engine 'tcg' of this machine has the isolation hardware");
}

static void every_engine_is_explained_with_what_would_be_better(void **state)
{
    (void)state;
    assert_non_null(strstr(engine_explain(VM_ACCEL_KVM, ENGINE_UML_HAS_KERNEL), "hardware virtualization"));
    assert_non_null(strstr(engine_explain(VM_ACCEL_NONE, ENGINE_UML_HAS_KERNEL), "/dev/kvm that works"));
    assert_non_null(strstr(engine_explain(VM_ACCEL_TCG, ENGINE_UML_NO_KERNEL), "make uml-kernel"));
    assert_null(strstr(engine_explain(VM_ACCEL_TCG, ENGINE_UML_HAS_KERNEL), "make uml-kernel"));
    assert_null(strstr(engine_explain(VM_ACCEL_TCG, ENGINE_UML_NONE), "User Mode Linux"));
}

static void user_mode_linux_comes_after_kvm_and_before_emulation(void **state)
{
    const struct pe_isolation_set any = {0};
    (void)state;
    check_family("auto", any, 4, "uml+boot");
    check_family("auto", any, 5, "qemu+tcg+snapshot");
    check_family("auto", pe_isolation_set_of(PE_ISOLATION_KERNEL), 0, "uml+boot");
}

static void seccomp_mode_of_user_mode_linux_takes_the_place_of_the_other(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {.broken = 0, .why = different};
    (void)state;
    size_t count = engines_for_machine("x86_64", engines);
    assert_true(choose(engines, count, "uml+boot,seccomp", &host, &chosen, reason, &err) < 0);
    engines_use_uml_seccomp(engines, count);
    for (const char *const *name = (const char *const[]){"uml", "uml+boot", "uml+boot,seccomp", NULL}; *name;
         name++) {
        assert_int_equal(choose(engines, count, *name, &host, &chosen, reason, &err), 0);
        assert_string_equal(reason, "uml+boot,seccomp (asked for)");
        assert_string_equal(chosen->cpu_flags, ENGINE_UML_SECCOMP);
    }
    assert_int_equal(choose(engines, count, "qemu+tcg+boot", &host, &chosen, reason, &err), 0);
    assert_string_equal(chosen->cpu_flags, "");
}

static void a_host_on_which_nothing_works_is_told_every_reason(void **state)
{
    struct engine engines[ENGINES_MAX];
    const struct engine *chosen = NULL;
    char reason[ENGINE_REASON_MAX];
    struct pe_error err;
    struct host host = {.broken = ENGINES_MAX, .why = different};
    (void)state;
    size_t count = engines_for_machine("x86_64", engines);
    assert_true(choose(engines, count, "auto", &host, &chosen, reason, &err) < 0);
    assert_int_equal(host.tried, count);
    assert_null(chosen);
    for (size_t i = 0; i < count; i++)
        assert_error(err, PE_ERR_INTERNAL, different(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_on_x86_64_is_the_documented_one),
        cmocka_unit_test(arm64_tries_snapshots_without_pmu_and_then_without_sve_too),
        cmocka_unit_test(an_engine_says_what_its_name_does),
        cmocka_unit_test(a_broken_engine_leads_to_the_next_and_the_reason_explains_it),
        cmocka_unit_test(engines_that_fail_alike_share_one_reason),
        cmocka_unit_test(an_engine_that_is_asked_for_is_the_only_one_tried),
        cmocka_unit_test(an_unknown_engine_is_refused_with_the_names_of_others),
        cmocka_unit_test(a_family_stands_for_its_best_engine_that_works),
        cmocka_unit_test(only_engines_with_the_isolation_that_is_asked_for_are_tried),
        cmocka_unit_test(every_engine_is_explained_with_what_would_be_better),
        cmocka_unit_test(user_mode_linux_comes_after_kvm_and_before_emulation),
        cmocka_unit_test(seccomp_mode_of_user_mode_linux_takes_the_place_of_the_other),
        cmocka_unit_test(a_host_on_which_nothing_works_is_told_every_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
