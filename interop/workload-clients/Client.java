import io.spiffe.bundle.jwtbundle.JwtBundle;
import io.spiffe.bundle.x509bundle.X509Bundle;
import io.spiffe.bundle.x509bundle.X509BundleSet;
import io.spiffe.spiffeid.TrustDomain;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.X509Context;
import java.time.Duration;
import java.util.Map;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;

/**
 * What java-spiffe gets from a workload socket, one line of JSON for each answer.
 *
 * <p>Client.java bundles SOCKET | validate SOCKET AUDIENCE TOKEN | source SOCKET | watch SOCKET
 */
public class Client {
  public static void main(String[] words) throws Exception {
    try {
      answer(words[0], "unix:" + words[1], words);
    } catch (Exception error) {
      StringBuilder why = new StringBuilder();
      for (Throwable cause = error; cause != null; cause = cause.getCause()) why.append(cause).append("; ");
      say("{\"error\":\"" + why.toString().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ") + "\"}");
    }
    // What the library leaves running must not keep the program alive.
    if (!words[0].equals("watch")) System.exit(0);
  }

  private static void answer(String verb, String path, String[] words) throws Exception {
    if (verb.equals("source")) {
      var options =
          DefaultX509Source.X509SourceOptions.builder().spiffeSocketPath(path).initTimeout(Duration.ofSeconds(10)).build();
      try (var source = DefaultX509Source.newSource(options)) {
        int peer = source.getBundleForTrustDomain(TrustDomain.parse("b.example")).getX509Authorities().size();
        say("{\"id\":\"" + source.getX509Svid().getSpiffeId() + "\",\"peer\":" + peer + "}");
      }
      return;
    }
    var client =
        DefaultWorkloadApiClient.newClient(
            DefaultWorkloadApiClient.ClientOptions.builder().spiffeSocketPath(path).build());
    switch (verb) {
      case "bundles" -> {
        String x509 = x509(client.fetchX509Bundles());
        ToIntFunction<JwtBundle> keys = bundle -> bundle.getJwtAuthorities().size();
        say("{\"x509\":" + x509 + ",\"jwt\":" + sizes(client.fetchJwtBundles().getBundles(), keys) + "}");
      }
      case "validate" -> say("{\"id\":\"" + client.validateJwtSvid(words[3], words[2]).getSpiffeId() + "\"}");
      default ->
          client.watchX509Context(
              new Watcher<X509Context>() {
                @Override
                public void onUpdate(X509Context update) {
                  say("{\"x509\":" + x509(update.getX509BundleSet()) + "}");
                }

                @Override
                public void onError(Throwable error) {
                  System.err.println(error);
                }
              });
    }
  }

  private static String x509(X509BundleSet set) {
    ToIntFunction<X509Bundle> roots = bundle -> bundle.getX509Authorities().size();
    return sizes(set.getBundles(), roots);
  }

  private static <B> String sizes(Map<TrustDomain, B> bundles, ToIntFunction<B> size) {
    return bundles.entrySet().stream()
        .map(entry -> "\"" + entry.getKey() + "\":" + size.applyAsInt(entry.getValue()))
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
