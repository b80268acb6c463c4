/** A user of the test registries. */
export interface RegistryUser {
  readonly username: string;
  readonly password: string;
  /** The line of an htpasswd file, made once with `htpasswd -Bbn -C 5`, so that the tests need no such program. */
  readonly htpasswd: string;
  /** Whether the user may push where a registry tells its users apart: with tokens, and zot with htpasswd too. */
  readonly mayPush: boolean;
}

/** May do everything; a password of letters. */
export const alice: RegistryUser = {
  username: "alice",
  password: "s3cret",
  htpasswd: "alice:$2y$05$R8qrEkokxh3EutPC.8BiK.Vu71ACAo9MaI9qe.4fEGfEMydc.6.0e",
  mayPush: true,
};

/** May do everything; a password with all that careless clients trip over. */
export const bob: RegistryUser = {
  username: "bob",
  password: 'p:w/d "ü" +%',
  htpasswd: "bob:$2y$05$dsjbPlLwGtHZQREpI2Ti0.08wf41btmJ56AkobkiEW0ch3rQbQ0Jy",
  mayPush: true,
};

/** May pull but not push, where the registry tells them apart. */
export const reader: RegistryUser = {
  username: "reader",
  password: "readonly",
  htpasswd: "reader:$2y$05$.xFy9nhSb6LOEO7DOynqK.wRHQZlYsBj5zCFHlqZ5rFgeVMGGrHaS",
  mayPush: false,
};

/** Everybody the test registries know. */
export const registryUsers: readonly RegistryUser[] = [alice, bob, reader];
