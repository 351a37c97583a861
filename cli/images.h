/* `pe-run images`: which images there are, of a server or of this machine's store. */
#ifndef PE_CLI_IMAGES_H
#define PE_CLI_IMAGES_H

/* The whole command, with argv[0] its name; the exit code. */
int images_command(int argc, char **argv);

#endif
