/* A libnvidia-ml.so.1 whose GPUs do what the file STATE says. Declarations as in the NVML API reference.
 *
 * A line for each GPU: "lost", or utilisation in percent, used bytes, then any of
 *   PID:BYTES:SHARE  a process ("-" bytes: not available; "g" before the pid: it only draws)
 *   KEY=NUMBER       total, power (mW), energy (mJ), temperature, sm, mem (MHz), reasons, rx, tx (KB/s)
 *   uuid=TEXT name=TEXT
 *   mig=USED/TOTAL/PID:BYTES/UUID  an instance; the GPU is divided then
 * Lines that begin with "!" are about all of them:
 *   ! delay FUNCTION US         each call sleeps so long (FUNCTION without "nvmlDeviceGet", or "all")
 *   ! spin FUNCTION US          each call computes so long
 *   ! error FUNCTION CODE GPU   what it returns for a GPU, "-" for all
 *   ! hang GPU                  nothing of this GPU comes back while the file says so
 *   ! generation N              another number: the driver was replaced, only nvmlInit helps
 * nvmlInit and nvmlShutdown are written to STATE.log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OK 0
#define UNINITIALIZED 1
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define TOO_SMALL 7
#define LOST 15
#define MAX_GPUS 32
#define MAX 16
#define RULES 64

typedef struct { unsigned int pid; unsigned long long bytes; unsigned int gpu, compute; } process_t;
typedef struct { unsigned int pid; unsigned long long time; unsigned int sm, mem, enc, dec; } sample_t;
typedef struct {
    int lost, count, drawing, migs;
    unsigned int used;
    unsigned long long bytes, total, power, energy, temperature, sm, mem, reasons, rx, tx;
    process_t process[MAX], drawer[MAX], owner[MAX];
    unsigned int share[MAX];
    unsigned long long mig_bytes[MAX], mig_total[MAX];
    char uuid[96], name[96], mig_uuid[MAX][96];
} gpu_t;
typedef struct { char kind[16], function[64], gpu[16]; long number; } rule_t;

static gpu_t gpus[MAX_GPUS];
static rule_t rules[RULES];
static int gpu_count, rule_count;
static long generation, opened_generation = -1;

static int number_of(gpu_t *gpu, const char *word) {
    struct { const char *key; unsigned long long *value; } keys[] = {
        {"total=", &gpu->total}, {"power=", &gpu->power}, {"energy=", &gpu->energy}, {"temperature=", &gpu->temperature},
        {"sm=", &gpu->sm}, {"mem=", &gpu->mem}, {"reasons=", &gpu->reasons}, {"rx=", &gpu->rx}, {"tx=", &gpu->tx}};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strncmp(word, keys[i].key, strlen(keys[i].key))) {
            *keys[i].value = strtoull(word + strlen(keys[i].key), NULL, 0);
            return 1;
        }
    return 0;
}

static void parse_word(gpu_t *gpu, char *word) {
    char amount[32];
    if (number_of(gpu, word)) return;
    if (!strncmp(word, "uuid=", 5)) strcpy(gpu->uuid, word + 5);
    else if (!strncmp(word, "name=", 5)) { strcpy(gpu->name, word + 5); for (char *c = gpu->name; *c; c++) if (*c == '_') *c = ' '; }
    else if (!strncmp(word, "mig=", 4)) {
        int i = gpu->migs++;
        sscanf(word, "mig=%llu/%llu/%u:%llu/%95s", &gpu->mig_bytes[i], &gpu->mig_total[i], &gpu->owner[i].pid, &gpu->owner[i].bytes, gpu->mig_uuid[i]);
    } else {
        int draws = *word == 'g';
        process_t *process = draws ? &gpu->drawer[gpu->drawing++] : &gpu->process[gpu->count];
        unsigned int share = 0;
        sscanf(word + draws, "%u:%31[^:]:%u", &process->pid, amount, &share);
        process->bytes = *amount == '-' ? ~0ULL : strtoull(amount, NULL, 10);
        if (!draws) gpu->share[gpu->count++] = share;
    }
}

static void parse_line(char *line) {
    if (*line == '!') {
        rule_t *rule = &rules[rule_count];
        memset(rule, 0, sizeof *rule);
        if (sscanf(line, "! generation %ld", &generation) == 1) return;
        if (sscanf(line, "! hang %15s", rule->gpu) == 1) strcpy(rule->kind, "hang");
        else sscanf(line, "! %15s %63s %ld %15s", rule->kind, rule->function, &rule->number, rule->gpu);
        rule_count++;
        return;
    }
    gpu_t *gpu = &gpus[gpu_count];
    memset(gpu, 0, sizeof *gpu);
    gpu->total = 16ULL << 30;
    sprintf(gpu->uuid, "GPU-%04d-stub", gpu_count++);
    strcpy(gpu->name, "Stub GPU");
    gpu->lost = !strncmp(line, "lost", 4);
    char *rest, *word = strtok_r(line, " \n", &rest);
    if (gpu->lost || !word) return;
    gpu->used = atoi(word);
    if ((word = strtok_r(NULL, " \n", &rest))) gpu->bytes = strtoull(word, NULL, 10);
    while (word && (word = strtok_r(NULL, " \n", &rest))) parse_word(gpu, word);
}

static void load(void) {
    static struct stat seen;
    struct stat now;
    char line[4096];
    if (stat(STATE, &now)) { gpu_count = rule_count = 0; memset(&seen, 0, sizeof seen); return; }
    if (now.st_ino == seen.st_ino && now.st_size == seen.st_size && !memcmp(&now.st_mtim, &seen.st_mtim, sizeof now.st_mtim)) return;
    FILE *file = fopen(STATE, "r");
    if (!file) return;
    seen = now;
    gpu_count = rule_count = 0;
    while (gpu_count < MAX_GPUS && rule_count < RULES && fgets(line, sizeof line, file)) parse_line(line);
    fclose(file);
}

static void take_time(long us, int spinning) {
    struct timespec now, pause = {us / 1000000, us % 1000000 * 1000};
    if (!spinning) { nanosleep(&pause, NULL); return; }
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long end = now.tv_sec * 1000000LL + now.tv_nsec / 1000 + us;
    do clock_gettime(CLOCK_MONOTONIC, &now); while (now.tv_sec * 1000000LL + now.tv_nsec / 1000 < end);
}

/* Handles are 1000 * (GPU + 1), plus the instance + 1. */
static int index_of(void *handle) { return (long)handle / 1000 - 1; }
static int instance_of(void *handle) { return (long)handle % 1000 - 1; }

static int begin(const char *function, void *handle) {
    load();
    for (int i = 0; i < rule_count; i++) {
        rule_t *rule = &rules[i];
        int named = !strcmp(rule->function, function) || (!strcmp(rule->function, "all") && handle);
        int its = !*rule->gpu || *rule->gpu == '-' || (handle && atoi(rule->gpu) == index_of(handle));
        if (!strcmp(rule->kind, "hang") && handle && its) { take_time(10000, 0); load(); i = -1; continue; }
        if (!named || !its) continue;
        if (!strcmp(rule->kind, "error")) return rule->number;
        take_time(rule->number, !strcmp(rule->kind, "spin"));
    }
    if (opened_generation != generation) return UNINITIALIZED;
    return handle && (index_of(handle) >= gpu_count || gpus[index_of(handle)].lost) ? LOST : OK;
}

#define BEGIN(name) int code = begin(name, handle); gpu_t *gpu = &gpus[index_of(handle)]; if (code) return code
#define WHOLE if (instance_of(handle) >= 0) return NOT_SUPPORTED

static void note(const char *what) {
    FILE *file = fopen(STATE ".log", "a");
    if (file) { fprintf(file, "%s\n", what); fclose(file); }
}

int nvmlInitWithFlags(unsigned int flags) {
    load();
    opened_generation = generation;
    note("init");
    int code = begin("Init", NULL);
    if (code) opened_generation = -1;
    return code;
}
int nvmlShutdown(void) { opened_generation = -1; note("shutdown"); return OK; }
const char *nvmlErrorString(int code) {
    switch (code) {
    case UNINITIALIZED: return "Uninitialized";
    case NOT_SUPPORTED: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    default: return "stub error";
    }
}
int nvmlSystemGetDriverVersion(char *text, unsigned int room) { strcpy(text, "550.54.15"); return begin("Driver", NULL); }
int nvmlDeviceGetCount_v2(unsigned int *count) { load(); *count = gpu_count; return begin("Count", NULL); }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **result) {
    *result = (void *)(1000L * (index + 1));
    return begin("HandleByIndex", *result);
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned int room) {
    BEGIN("UUID");
    strcpy(text, instance_of(handle) < 0 ? gpu->uuid : gpu->mig_uuid[instance_of(handle)]);
    return OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned int room) { BEGIN("Name"); strcpy(text, gpu->name); return OK; }
int nvmlDeviceGetMigMode(void *handle, unsigned int *now, unsigned int *pending) {
    BEGIN("MigMode");
    *now = *pending = gpu->migs > 0;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned int *count) { *count = 7; return begin("MaxMigDeviceCount", handle); }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned int index, void **result) {
    BEGIN("MigDeviceHandleByIndex");
    *result = (char *)handle + index + 1;
    return (int)index < gpu->migs ? OK : NOT_FOUND;
}
int nvmlDeviceGetUtilizationRates(void *handle, unsigned int *rates) {
    BEGIN("UtilizationRates");
    if (gpu->migs) return NOT_SUPPORTED;
    rates[0] = gpu->used;
    rates[1] = gpu->used / 2;
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
    BEGIN("MemoryInfo");
    int instance = instance_of(handle);
    memory[0] = instance < 0 ? gpu->total : gpu->mig_total[instance];
    memory[2] = instance < 0 ? gpu->bytes : gpu->mig_bytes[instance];
    memory[1] = memory[0] - memory[2];
    return OK;
}
static int listed(const process_t *from, int number, unsigned int *count, process_t *processes) {
    unsigned int room = *count;
    *count = number;
    if (!number) return OK;
    if (!processes || room < (unsigned int)number) return TOO_SMALL;
    memcpy(processes, from, number * sizeof *processes);
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, process_t *processes) {
    BEGIN("ComputeRunningProcesses");
    int instance = instance_of(handle);
    if (instance >= 0) return listed(&gpu->owner[instance], gpu->owner[instance].pid != 0, count, processes);
    return listed(gpu->process, gpu->count, count, processes);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned int *count, process_t *processes) {
    BEGIN("GraphicsRunningProcesses");
    return listed(gpu->drawer, gpu->drawing, count, processes);
}
int nvmlDeviceGetProcessUtilization(void *handle, sample_t *samples, unsigned int *count, unsigned long long since) {
    BEGIN("ProcessUtilization");
    WHOLE;
    if (!gpu->count) return NOT_FOUND;
    *count = gpu->count;
    if (!samples) return TOO_SMALL;
    for (int i = 0; i < gpu->count; i++) {
        memset(&samples[i], 0, sizeof *samples);
        samples[i].pid = gpu->process[i].pid;
        samples[i].time = since + 1;
        samples[i].sm = gpu->share[i];
    }
    return OK;
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *energy) { BEGIN("TotalEnergyConsumption"); WHOLE; *energy = gpu->energy; return OK; }
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *power) { BEGIN("PowerUsage"); WHOLE; *power = gpu->power; return OK; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *degrees) { BEGIN("Temperature"); *degrees = gpu->temperature; return OK; }
int nvmlDeviceGetClockInfo(void *handle, int clock, unsigned int *mhz) { BEGIN("ClockInfo"); *mhz = clock == 1 ? gpu->sm : gpu->mem; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) { BEGIN("CurrentClocksThrottleReasons"); *reasons = gpu->reasons; return OK; }
int nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned int *kilobytes) { BEGIN("PcieThroughput"); WHOLE; *kilobytes = counter ? gpu->rx : gpu->tx; return OK; }
